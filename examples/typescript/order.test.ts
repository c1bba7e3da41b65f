import {
  DescribeWorkflowExecutionCommand,
  ListClosedWorkflowExecutionsCommand,
} from "@aws-sdk/client-swf";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Simulation } from "./flowy-sim.js";
import { decide, domain, register, start, work } from "./order.js";

let simulation: Simulation;

beforeEach(async () => {
  simulation = await Simulation.begin();
  await register(simulation.client());
});
afterEach(() => simulation.end());

test("an order is shipped a day after its payment", async () => {
  const swf = simulation.client();
  const runId = await start(swf, "order-1");
  const aborted = new AbortController();
  const loops = [
    decide(simulation.client(), aborted.signal),
    work(simulation.client(), aborted.signal, (activity) => `${activity} done`),
  ];

  expect(await simulation.settle()).toBe(true);
  aborted.abort();
  await Promise.allSettled(loops);

  const execution = { workflowId: "order-1", runId };
  const { executionInfo } = await swf.send(
    new DescribeWorkflowExecutionCommand({ domain, execution }),
  );
  expect(executionInfo!.closeStatus).toBe("COMPLETED");
  const { startTimestamp, closeTimestamp } = executionInfo!;
  const hours = (closeTimestamp!.getTime() - startTimestamp!.getTime()) / 3_600_000;
  expect(hours).toBeGreaterThanOrEqual(24);
  expect(hours).toBeLessThan(25);
});

test("an order that no worker takes times out", async () => {
  const swf = simulation.client();
  await start(swf, "order-1");

  await simulation.advance(3 * 86_400);

  const startTimeFilter = { oldestDate: new Date(0) };
  const closed = await swf.send(
    new ListClosedWorkflowExecutionsCommand({ domain, startTimeFilter }),
  );
  expect(closed.executionInfos!.map((info) => info.closeStatus)).toEqual(["TIMED_OUT"]);
});
