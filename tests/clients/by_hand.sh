#!/usr/bin/env bash
# A workflow by hand, with the AWS CLI as decider and as worker: an order is packed, and an hour later
# it is complete. AWS_ENDPOINT_URL_SWF is the address of Amazon SWF.
set -euo pipefail

swf() { aws swf "$@" --output text; }

swf register-domain --name shop --workflow-execution-retention-period-in-days 1
swf register-workflow-type --domain shop --name Order --workflow-version 1 \
    --default-task-list name=decisions --default-child-policy TERMINATE \
    --default-execution-start-to-close-timeout 86400 --default-task-start-to-close-timeout 300
swf register-activity-type --domain shop --name Pack --activity-version 1 \
    --default-task-list name=work --default-task-heartbeat-timeout NONE \
    --default-task-schedule-to-start-timeout 600 --default-task-schedule-to-close-timeout 900 \
    --default-task-start-to-close-timeout 300

run_id=$(swf start-workflow-execution --domain shop --workflow-id order-1 \
    --workflow-type name=Order,version=1 --input '{"books": 2}')

# The decider: pack the order, and start a timer of an hour.
token=$(swf poll-for-decision-task --domain shop --task-list name=decisions --query taskToken)
swf respond-decision-task-completed --task-token "$token" --decisions '[
  {"decisionType": "ScheduleActivityTask", "scheduleActivityTaskDecisionAttributes": {
    "activityId": "pack", "activityType": {"name": "Pack", "version": "1"}, "input": "2 books"}},
  {"decisionType": "StartTimer", "startTimerDecisionAttributes": {
    "timerId": "hour", "startToFireTimeout": "3600"}}]'

# The worker.
read -r token input < <(swf poll-for-activity-task --domain shop --task-list name=work \
    --query '[taskToken, input]')
swf respond-activity-task-completed --task-token "$token" --result "$input in a box"

# The decider: wait for the timer, then complete the order.
token=$(swf poll-for-decision-task --domain shop --task-list name=decisions --query taskToken)
swf respond-decision-task-completed --task-token "$token"
token=None
while [ "$token" = None ]; do
    token=$(swf poll-for-decision-task --domain shop --task-list name=decisions --query taskToken)
done
swf respond-decision-task-completed --task-token "$token" --decisions '[
  {"decisionType": "CompleteWorkflowExecution", "completeWorkflowExecutionDecisionAttributes": {
    "result": "sent"}}]'

aws swf get-workflow-execution-history --domain shop \
    --execution "workflowId=order-1,runId=$run_id" --query 'events[].eventType' --output json
