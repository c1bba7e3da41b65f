/** A decider and a worker on the AWS SDK for JavaScript v3: charge a card, ship a day later. */
import {
  type Decision,
  type HistoryEvent,
  PollForActivityTaskCommand,
  PollForDecisionTaskCommand,
  RegisterActivityTypeCommand,
  RegisterDomainCommand,
  RegisterWorkflowTypeCommand,
  RespondActivityTaskCompletedCommand,
  RespondDecisionTaskCompletedCommand,
  StartWorkflowExecutionCommand,
  type SWFClient,
} from "@aws-sdk/client-swf";

export const domain = "shop";
const taskList = { name: "orders" };
const workflowType = { name: "Order", version: "1" };
const activities = ["charge", "ship"];

export async function register(swf: SWFClient): Promise<void> {
  await swf.send(
    new RegisterDomainCommand({ name: domain, workflowExecutionRetentionPeriodInDays: "90" }),
  );
  await swf.send(
    new RegisterWorkflowTypeCommand({
      domain,
      ...workflowType,
      defaultTaskList: taskList,
      defaultTaskStartToCloseTimeout: "60",
      defaultExecutionStartToCloseTimeout: "259200",
      defaultChildPolicy: "TERMINATE",
    }),
  );
  for (const name of activities) {
    await swf.send(
      new RegisterActivityTypeCommand({
        domain,
        name,
        version: "1",
        defaultTaskList: taskList,
        defaultTaskScheduleToStartTimeout: "300",
        defaultTaskScheduleToCloseTimeout: "600",
        defaultTaskStartToCloseTimeout: "300",
        defaultTaskHeartbeatTimeout: "NONE",
      }),
    );
  }
}

export async function start(swf: SWFClient, workflowId: string): Promise<void> {
  await swf.send(new StartWorkflowExecutionCommand({ domain, workflowId, workflowType }));
}

/** The decider's loop, until it is aborted. */
export async function decide(swf: SWFClient, abortSignal: AbortSignal): Promise<void> {
  const poll = new PollForDecisionTaskCommand({ domain, taskList });
  await untilAborted(abortSignal, async () => {
    const { taskToken, events } = await swf.send(poll, { abortSignal });
    if (!taskToken) return;
    const decisions = decisionsFor(events!);
    await swf.send(new RespondDecisionTaskCompletedCommand({ taskToken, decisions }));
  });
}

/** The activity worker's loop, until it is aborted. */
export async function work(
  swf: SWFClient,
  abortSignal: AbortSignal,
  run: (activity: string) => string,
): Promise<void> {
  const poll = new PollForActivityTaskCommand({ domain, taskList });
  await untilAborted(abortSignal, async () => {
    const { taskToken, activityType } = await swf.send(poll, { abortSignal });
    if (!taskToken) return;
    const result = run(activityType!.name!);
    await swf.send(new RespondActivityTaskCompletedCommand({ taskToken, result }));
  });
}

async function untilAborted(signal: AbortSignal, step: () => Promise<void>): Promise<void> {
  try {
    while (!signal.aborted) await step();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Returns the decisions that the newest relevant event calls for. */
function decisionsFor(history: HistoryEvent[]): Decision[] {
  for (const event of history.toReversed()) {
    switch (event.eventType) {
      case "WorkflowExecutionStarted":
        return [schedule("charge")];
      case "ActivityTaskCompleted": {
        const { scheduledEventId, result } = event.activityTaskCompletedEventAttributes!;
        const scheduled = history[scheduledEventId! - 1].activityTaskScheduledEventAttributes!;
        return scheduled.activityId === "charge" ? [waitADay()] : [complete(result)];
      }
      case "TimerFired":
        return [schedule("ship")];
      case "ActivityTaskFailed":
      case "ActivityTaskTimedOut":
        return [fail(`${event.eventType}, event ${event.eventId}`)];
    }
  }
  return [];
}

function schedule(name: string): Decision {
  return {
    decisionType: "ScheduleActivityTask",
    scheduleActivityTaskDecisionAttributes: {
      activityId: name,
      activityType: { name, version: "1" },
    },
  };
}

function waitADay(): Decision {
  return {
    decisionType: "StartTimer",
    startTimerDecisionAttributes: { timerId: "cooling-off", startToFireTimeout: "86400" },
  };
}

function complete(result: string | undefined): Decision {
  return {
    decisionType: "CompleteWorkflowExecution",
    completeWorkflowExecutionDecisionAttributes: { result },
  };
}

function fail(reason: string): Decision {
  return {
    decisionType: "FailWorkflowExecution",
    failWorkflowExecutionDecisionAttributes: { reason },
  };
}
