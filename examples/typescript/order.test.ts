import {
  ListClosedWorkflowExecutionsCommand,
  type SWFClient,
  type WorkflowExecutionInfo,
} from "@aws-sdk/client-swf";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Simulation } from "./flowy-sim.js";
import { decide, domain, register, start, work } from "./order.js";

let simulation: Simulation;
let swf: SWFClient;

beforeEach(async () => {
  simulation = await Simulation.create();
  swf = simulation.client();
  await register(swf);
});
afterEach(() => simulation?.delete());

test("an order is shipped a day after its payment", async () => {
  await start(swf, "order-1");
  const stop = new AbortController();
  const loops = [
    decide(swf, stop.signal),
    work(swf, stop.signal, (activity) => `${activity} done`),
  ];

  await simulation.settle();
  stop.abort();
  await Promise.all(loops);

  const { closeStatus, startTimestamp, closeTimestamp } = await closedOrder();
  expect(closeStatus).toBe("COMPLETED");
  const hours = (closeTimestamp!.getTime() - startTimestamp!.getTime()) / 3_600_000;
  expect(hours).toBeGreaterThanOrEqual(24);
  expect(hours).toBeLessThan(25);
});

test("an order fails if its card is refused", async () => {
  await simulation.stub({ activity: "charge", version: "1", error: "the card was refused" });
  await start(swf, "order-1");

  await whileDeciding(() => simulation.settle());

  expect((await closedOrder()).closeStatus).toBe("FAILED");
});

test("an order that is withdrawn within a day is not shipped", async () => {
  await simulation.stub({ activity: "charge", version: "1" });
  await simulation.stub({ activity: "ship", version: "1" });
  await start(swf, "order-1");
  const order = { domain, workflowId: "order-1" };
  await simulation.after(23 * 3600, "TerminateWorkflowExecution", order);

  await whileDeciding(() => simulation.settle());

  expect((await closedOrder()).closeStatus).toBe("TERMINATED");
  expect((await simulation.calls()).map(({ activity }) => activity)).toEqual(["charge"]);
});

test("an order that no worker takes times out", async () => {
  await start(swf, "order-1");

  await simulation.advance(3 * 86_400);

  expect((await closedOrder()).closeStatus).toBe("TIMED_OUT");
});

async function whileDeciding(step: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const decider = decide(swf, stop.signal);
  await step();
  stop.abort();
  await decider;
}

async function closedOrder(): Promise<WorkflowExecutionInfo> {
  const startTimeFilter = { oldestDate: new Date(0) };
  const { executionInfos } = await swf.send(
    new ListClosedWorkflowExecutionsCommand({ domain, startTimeFilter }),
  );
  expect(executionInfos).toHaveLength(1);
  return executionInfos![0];
}
