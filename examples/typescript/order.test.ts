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

test("an order that no worker takes times out", async () => {
  await start(swf, "order-1");

  await simulation.advance(3 * 86_400);

  expect((await closedOrder()).closeStatus).toBe("TIMED_OUT");
});

async function closedOrder(): Promise<WorkflowExecutionInfo> {
  const startTimeFilter = { oldestDate: new Date(0) };
  const { executionInfos } = await swf.send(
    new ListClosedWorkflowExecutionsCommand({ domain, startTimeFilter }),
  );
  expect(executionInfos).toHaveLength(1);
  return executionInfos![0];
}
