// Halves of workflows in JavaScript: `node halves.cjs decider|worker DOMAIN TASK_LIST`.
//
// The decider of the workflow Greeting schedules the activity measure, waits for a day, schedules the
// activity shout and completes. The worker executes shout. Arguments and results have the format of
// flowy, so the other half can be in either language. Endpoint, region and credentials come from the
// environment.
"use strict";
const {
  SWFClient,
  PollForActivityTaskCommand,
  PollForDecisionTaskCommand,
  RespondActivityTaskCompletedCommand,
  RespondActivityTaskFailedCommand,
  RespondDecisionTaskCompletedCommand,
} = require("@aws-sdk/client-swf");

const [role, domain, taskList] = process.argv.slice(2);
const swf = new SWFClient({});
const stopping = new AbortController();
process.once("SIGTERM", () => stopping.abort());

/** Return what the decider needs to know of a history. */
function read(events) {
  const known = { results: {}, scheduled: new Set(), fired: false, failure: null };
  const ids = new Map();
  for (const event of events) {
    const attributes = event[event.eventType[0].toLowerCase() + event.eventType.slice(1) + "EventAttributes"];
    switch (event.eventType) {
      case "WorkflowExecutionStarted":
        [[known.text]] = JSON.parse(attributes.input);
        break;
      case "ActivityTaskScheduled":
        ids.set(event.eventId, attributes.activityId);
        known.scheduled.add(attributes.activityId);
        break;
      case "ActivityTaskCompleted":
        known.results[ids.get(attributes.scheduledEventId)] = JSON.parse(attributes.result);
        break;
      case "ActivityTaskFailed":
        known.failure = attributes;
        break;
      case "TimerStarted":
        known.scheduled.add(attributes.timerId);
        break;
      case "TimerFired":
        known.fired = true;
        break;
    }
  }
  return known;
}

function activity(activityId, list, text) {
  return {
    decisionType: "ScheduleActivityTask",
    scheduleActivityTaskDecisionAttributes: {
      activityId,
      activityType: { name: activityId, version: "1" },
      taskList: { name: list },
      input: JSON.stringify([[text], {}]),
    },
  };
}

function decide({ text, results, scheduled, fired, failure }) {
  if (failure) {
    const { reason, details } = failure;
    return [{ decisionType: "FailWorkflowExecution", failWorkflowExecutionDecisionAttributes: { reason, details } }];
  }
  if (!scheduled.has("measure")) {
    const day = { timerId: "day", startToFireTimeout: "86400" };
    return [
      activity("measure", "python", text),
      { decisionType: "StartTimer", startTimerDecisionAttributes: day },
    ];
  }
  if (fired && "measure" in results && !scheduled.has("shout")) {
    return [activity("shout", "javascript", text)];
  }
  if ("shout" in results) {
    const result = JSON.stringify([results.shout, results.measure]);
    return [
      { decisionType: "CompleteWorkflowExecution", completeWorkflowExecutionDecisionAttributes: { result } },
    ];
  }
  return [];
}

async function decideOnce(poll) {
  const task = await swf.send(new PollForDecisionTaskCommand(poll), { abortSignal: stopping.signal });
  if (!task.taskToken) return;
  const events = [...task.events];
  for (let page = task; page.nextPageToken; ) {
    page = await swf.send(new PollForDecisionTaskCommand({ ...poll, nextPageToken: page.nextPageToken }));
    events.push(...page.events);
  }
  const decisions = decide(read(events));
  await swf.send(new RespondDecisionTaskCompletedCommand({ taskToken: task.taskToken, decisions }));
}

async function workOnce(poll) {
  const task = await swf.send(new PollForActivityTaskCommand(poll), { abortSignal: stopping.signal });
  if (!task.taskToken) return;
  const { taskToken } = task;
  const [[text]] = JSON.parse(task.input);
  if (typeof text !== "string") {
    await swf.send(new RespondActivityTaskFailedCommand({ taskToken, reason: "this is no text" }));
    return;
  }
  const result = JSON.stringify(text.toUpperCase());
  await swf.send(new RespondActivityTaskCompletedCommand({ taskToken, result }));
}

async function main() {
  const once = { decider: decideOnce, worker: workOnce }[role];
  while (!stopping.signal.aborted) {
    try {
      await once({ domain, taskList: { name: taskList }, identity: `javascript-${role}` });
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  }
}

main();
