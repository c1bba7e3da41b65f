// Package order has a decider and a worker on the AWS SDK for Go v2: charge a card, ship a day later.
package order

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/swf"
	"github.com/aws/aws-sdk-go-v2/service/swf/types"
)

// Domain is the domain of the orders.
const Domain = "shop"

var (
	workflowType = &types.WorkflowType{Name: aws.String("Order"), Version: aws.String("1")}
	taskList     = &types.TaskList{Name: aws.String("orders")}
)

// Register registers the domain and its types.
func Register(ctx context.Context, client *swf.Client) error {
	if _, err := client.RegisterDomain(ctx, &swf.RegisterDomainInput{
		Name:                                   aws.String(Domain),
		WorkflowExecutionRetentionPeriodInDays: aws.String("90"),
	}); err != nil {
		return err
	}
	if _, err := client.RegisterWorkflowType(ctx, &swf.RegisterWorkflowTypeInput{
		Domain: aws.String(Domain), Name: workflowType.Name, Version: workflowType.Version,
		DefaultTaskList:                     taskList,
		DefaultTaskStartToCloseTimeout:      aws.String("60"),
		DefaultExecutionStartToCloseTimeout: aws.String("259200"),
		DefaultChildPolicy:                  types.ChildPolicyTerminate,
	}); err != nil {
		return err
	}
	for _, name := range []string{"charge", "ship"} {
		if _, err := client.RegisterActivityType(ctx, &swf.RegisterActivityTypeInput{
			Domain: aws.String(Domain), Name: aws.String(name), Version: aws.String("1"),
			DefaultTaskList:                   taskList,
			DefaultTaskScheduleToStartTimeout: aws.String("300"),
			DefaultTaskScheduleToCloseTimeout: aws.String("600"),
			DefaultTaskStartToCloseTimeout:    aws.String("300"),
			DefaultTaskHeartbeatTimeout:       aws.String("NONE"),
		}); err != nil {
			return err
		}
	}
	return nil
}

// Start starts an order.
func Start(ctx context.Context, client *swf.Client, id string) error {
	_, err := client.StartWorkflowExecution(ctx, &swf.StartWorkflowExecutionInput{
		Domain: aws.String(Domain), WorkflowId: aws.String(id), WorkflowType: workflowType,
	})
	return err
}

// Decide is the decider's loop. It ends when the context is canceled.
func Decide(ctx context.Context, client *swf.Client) error {
	for {
		task, err := client.PollForDecisionTask(ctx, &swf.PollForDecisionTaskInput{
			Domain: aws.String(Domain), TaskList: taskList,
		})
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		if aws.ToString(task.TaskToken) == "" {
			continue
		}
		if _, err := client.RespondDecisionTaskCompleted(ctx,
			&swf.RespondDecisionTaskCompletedInput{
				TaskToken: task.TaskToken, Decisions: decisions(task.Events),
			}); err != nil {
			return err
		}
	}
}

// Work is the activity worker's loop. It ends when the context is canceled.
func Work(ctx context.Context, client *swf.Client, run func(activity string) string) error {
	for {
		task, err := client.PollForActivityTask(ctx, &swf.PollForActivityTaskInput{
			Domain: aws.String(Domain), TaskList: taskList,
		})
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		if aws.ToString(task.TaskToken) == "" {
			continue
		}
		if _, err := client.RespondActivityTaskCompleted(ctx,
			&swf.RespondActivityTaskCompletedInput{
				TaskToken: task.TaskToken,
				Result:    aws.String(run(aws.ToString(task.ActivityType.Name))),
			}); err != nil {
			return err
		}
	}
}

// decisions returns the decisions that the newest relevant event calls for.
func decisions(history []types.HistoryEvent) []types.Decision {
	for i := len(history) - 1; i >= 0; i-- {
		switch event := history[i]; event.EventType {
		case types.EventTypeWorkflowExecutionStarted:
			return []types.Decision{schedule("charge")}
		case types.EventTypeActivityTaskCompleted:
			attributes := event.ActivityTaskCompletedEventAttributes
			scheduled := history[attributes.ScheduledEventId-1].ActivityTaskScheduledEventAttributes
			if aws.ToString(scheduled.ActivityId) == "charge" {
				return []types.Decision{waitADay()}
			}
			return []types.Decision{complete(aws.ToString(attributes.Result))}
		case types.EventTypeTimerFired:
			return []types.Decision{schedule("ship")}
		case types.EventTypeActivityTaskFailed, types.EventTypeActivityTaskTimedOut:
			return []types.Decision{fail(fmt.Sprintf("%s, event %d", event.EventType, event.EventId))}
		}
	}
	return nil
}

func schedule(name string) types.Decision {
	return types.Decision{
		DecisionType: types.DecisionTypeScheduleActivityTask,
		ScheduleActivityTaskDecisionAttributes: &types.ScheduleActivityTaskDecisionAttributes{
			ActivityId:   aws.String(name),
			ActivityType: &types.ActivityType{Name: aws.String(name), Version: aws.String("1")},
		},
	}
}

func waitADay() types.Decision {
	return types.Decision{
		DecisionType: types.DecisionTypeStartTimer,
		StartTimerDecisionAttributes: &types.StartTimerDecisionAttributes{
			TimerId: aws.String("cooling-off"), StartToFireTimeout: aws.String("86400"),
		},
	}
}

func complete(result string) types.Decision {
	return types.Decision{
		DecisionType: types.DecisionTypeCompleteWorkflowExecution,
		CompleteWorkflowExecutionDecisionAttributes: &types.
			CompleteWorkflowExecutionDecisionAttributes{Result: aws.String(result)},
	}
}

func fail(reason string) types.Decision {
	return types.Decision{
		DecisionType: types.DecisionTypeFailWorkflowExecution,
		FailWorkflowExecutionDecisionAttributes: &types.
			FailWorkflowExecutionDecisionAttributes{Reason: aws.String(reason)},
	}
}
