// Command sdkv1 calls each operation with the AWS SDK for Go v1, and prints what the replies hold.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/swf"
)

var (
	domain    = aws.String("shop")
	order     = &swf.WorkflowType{Name: aws.String("Order"), Version: aws.String("1")}
	pack      = &swf.ActivityType{Name: aws.String("Pack"), Version: aws.String("1")}
	decisions = &swf.TaskList{Name: aws.String("decisions")}
	work      = &swf.TaskList{Name: aws.String("work")}
	orderID   = aws.String("order-1")
)

func main() {
	if len(os.Args) > 1 {
		// The address that the SDK would use by itself.
		fmt.Println(swf.New(session.Must(session.NewSession())).Endpoint)
		return
	}
	client := swf.New(session.Must(session.NewSession(&aws.Config{
		Endpoint:    aws.String(os.Getenv("AWS_ENDPOINT_URL_SWF")),
		Region:      aws.String("us-east-1"),
		Credentials: credentials.NewStaticCredentials("test", "test", ""),
	})))
	domains(client)
	workflowTypes(client)
	activityTypes(client)
	executions(client)
	endings(client)
}

func domains(client *swf.SWF) {
	must(client.RegisterDomain(&swf.RegisterDomainInput{
		Name: domain, WorkflowExecutionRetentionPeriodInDays: aws.String("90"),
	}))
	say("RegisterDomain")
	described := must(client.DescribeDomain(&swf.DescribeDomainInput{Name: domain}))
	say("DescribeDomain", *described.DomainInfo.Status,
		*described.Configuration.WorkflowExecutionRetentionPeriodInDays)
	arn := described.DomainInfo.Arn
	must(client.TagResource(&swf.TagResourceInput{
		ResourceArn: arn,
		Tags:        []*swf.ResourceTag{{Key: aws.String("team"), Value: aws.String("books")}},
	}))
	say("TagResource")
	tags := must(client.ListTagsForResource(&swf.ListTagsForResourceInput{ResourceArn: arn}))
	say("ListTagsForResource", *tags.Tags[0].Key, *tags.Tags[0].Value)
	must(client.UntagResource(&swf.UntagResourceInput{
		ResourceArn: arn, TagKeys: aws.StringSlice([]string{"team"}),
	}))
	say("UntagResource")
	listed := must(client.ListDomains(&swf.ListDomainsInput{
		RegistrationStatus: aws.String(swf.RegistrationStatusRegistered),
	}))
	say("ListDomains", *listed.DomainInfos[0].Name)
	_, err := client.DescribeDomain(&swf.DescribeDomainInput{Name: aws.String("market")})
	var fault awserr.Error
	if !errors.As(err, &fault) {
		log.Fatal(err)
	}
	say("DescribeDomain", fault.Code(), fault.Message())
}

func workflowTypes(client *swf.SWF) {
	must(client.RegisterWorkflowType(&swf.RegisterWorkflowTypeInput{
		Domain: domain, Name: order.Name, Version: order.Version,
	}))
	say("RegisterWorkflowType")
	must(client.DeprecateWorkflowType(&swf.DeprecateWorkflowTypeInput{
		Domain: domain, WorkflowType: order,
	}))
	say("DeprecateWorkflowType")
	must(client.UndeprecateWorkflowType(&swf.UndeprecateWorkflowTypeInput{
		Domain: domain, WorkflowType: order,
	}))
	say("UndeprecateWorkflowType")
	described := must(client.DescribeWorkflowType(&swf.DescribeWorkflowTypeInput{
		Domain: domain, WorkflowType: order,
	}))
	say("DescribeWorkflowType", *described.TypeInfo.Status)
	listed := must(client.ListWorkflowTypes(&swf.ListWorkflowTypesInput{
		Domain: domain, RegistrationStatus: aws.String(swf.RegistrationStatusRegistered),
	}))
	say("ListWorkflowTypes", *listed.TypeInfos[0].WorkflowType.Name)
}

func activityTypes(client *swf.SWF) {
	must(client.RegisterActivityType(&swf.RegisterActivityTypeInput{
		Domain: domain, Name: pack.Name, Version: pack.Version,
	}))
	say("RegisterActivityType")
	must(client.DeprecateActivityType(&swf.DeprecateActivityTypeInput{
		Domain: domain, ActivityType: pack,
	}))
	say("DeprecateActivityType")
	must(client.UndeprecateActivityType(&swf.UndeprecateActivityTypeInput{
		Domain: domain, ActivityType: pack,
	}))
	say("UndeprecateActivityType")
	described := must(client.DescribeActivityType(&swf.DescribeActivityTypeInput{
		Domain: domain, ActivityType: pack,
	}))
	say("DescribeActivityType", *described.TypeInfo.Status)
	listed := must(client.ListActivityTypes(&swf.ListActivityTypesInput{
		Domain: domain, RegistrationStatus: aws.String(swf.RegistrationStatusRegistered),
	}))
	say("ListActivityTypes", *listed.TypeInfos[0].ActivityType.Name)
}

func executions(client *swf.SWF) {
	must(client.StartWorkflowExecution(&swf.StartWorkflowExecutionInput{
		Domain: domain, WorkflowId: orderID, WorkflowType: order, TaskList: decisions,
		ChildPolicy:                  aws.String(swf.ChildPolicyTerminate),
		ExecutionStartToCloseTimeout: aws.String("86400"),
		TaskStartToCloseTimeout:      aws.String("300"),
	}))
	say("StartWorkflowExecution")
	pending := must(client.CountPendingDecisionTasks(&swf.CountPendingDecisionTasksInput{
		Domain: domain, TaskList: decisions,
	}))
	say("CountPendingDecisionTasks", *pending.Count)
	task := decisionTask(client)
	decide(client, task, schedule("pack-1"), schedule("pack-2"), schedule("pack-3"))
	pending2 := must(client.CountPendingActivityTasks(&swf.CountPendingActivityTasksInput{
		Domain: domain, TaskList: work,
	}))
	say("CountPendingActivityTasks", *pending2.Count)
	first, second, third := activityTask(client), activityTask(client), activityTask(client)
	must(client.RequestCancelWorkflowExecution(&swf.RequestCancelWorkflowExecutionInput{
		Domain: domain, WorkflowId: orderID,
	}))
	say("RequestCancelWorkflowExecution")
	heartbeat(client, first)
	must(client.RespondActivityTaskCompleted(&swf.RespondActivityTaskCompletedInput{
		TaskToken: first, Result: aws.String("packed"),
	}))
	say("RespondActivityTaskCompleted")
	must(client.RespondActivityTaskFailed(&swf.RespondActivityTaskFailedInput{
		TaskToken: second, Reason: aws.String("no box"),
	}))
	say("RespondActivityTaskFailed")
	decide(client, decisionTask(client), &swf.Decision{
		DecisionType: aws.String(swf.DecisionTypeRequestCancelActivityTask),
		RequestCancelActivityTaskDecisionAttributes: &swf.
			RequestCancelActivityTaskDecisionAttributes{ActivityId: aws.String("pack-3")},
	})
	heartbeat(client, third)
	must(client.RespondActivityTaskCanceled(&swf.RespondActivityTaskCanceledInput{
		TaskToken: third,
	}))
	say("RespondActivityTaskCanceled")
}

func decisionTask(client *swf.SWF) *swf.PollForDecisionTaskOutput {
	task := must(client.PollForDecisionTask(&swf.PollForDecisionTaskInput{
		Domain: domain, TaskList: decisions,
	}))
	say("PollForDecisionTask", *task.WorkflowExecution.WorkflowId, *task.PreviousStartedEventId)
	return task
}

func decide(client *swf.SWF, task *swf.PollForDecisionTaskOutput, made ...*swf.Decision) {
	must(client.RespondDecisionTaskCompleted(&swf.RespondDecisionTaskCompletedInput{
		TaskToken: task.TaskToken, Decisions: made,
	}))
	say("RespondDecisionTaskCompleted")
}

func schedule(id string) *swf.Decision {
	return &swf.Decision{
		DecisionType: aws.String(swf.DecisionTypeScheduleActivityTask),
		ScheduleActivityTaskDecisionAttributes: &swf.ScheduleActivityTaskDecisionAttributes{
			ActivityId: aws.String(id), ActivityType: pack, TaskList: work,
			HeartbeatTimeout:       aws.String("600"),
			ScheduleToCloseTimeout: aws.String("600"),
			ScheduleToStartTimeout: aws.String("600"),
			StartToCloseTimeout:    aws.String("600"),
		},
	}
}

func activityTask(client *swf.SWF) *string {
	task := must(client.PollForActivityTask(&swf.PollForActivityTaskInput{
		Domain: domain, TaskList: work,
	}))
	say("PollForActivityTask", *task.ActivityId)
	return task.TaskToken
}

func heartbeat(client *swf.SWF, token *string) {
	status := must(client.RecordActivityTaskHeartbeat(&swf.RecordActivityTaskHeartbeatInput{
		TaskToken: token, Details: aws.String("half of it"),
	}))
	say("RecordActivityTaskHeartbeat", *status.CancelRequested)
}

func endings(client *swf.SWF) {
	must(client.SignalWorkflowExecution(&swf.SignalWorkflowExecutionInput{
		Domain: domain, WorkflowId: orderID, SignalName: aws.String("hurry"),
	}))
	say("SignalWorkflowExecution")
	ever := &swf.ExecutionTimeFilter{OldestDate: aws.Time(time.Unix(0, 0))}
	open := must(client.ListOpenWorkflowExecutions(&swf.ListOpenWorkflowExecutionsInput{
		Domain: domain, StartTimeFilter: ever,
	}))
	execution := open.ExecutionInfos[0].Execution
	say("ListOpenWorkflowExecutions", *execution.WorkflowId)
	count := must(client.CountOpenWorkflowExecutions(&swf.CountOpenWorkflowExecutionsInput{
		Domain: domain, StartTimeFilter: ever,
	}))
	say("CountOpenWorkflowExecutions", *count.Count)
	must(client.TerminateWorkflowExecution(&swf.TerminateWorkflowExecutionInput{
		Domain: domain, WorkflowId: orderID,
	}))
	say("TerminateWorkflowExecution")
	closed := must(client.ListClosedWorkflowExecutions(&swf.ListClosedWorkflowExecutionsInput{
		Domain: domain, StartTimeFilter: ever,
	}))
	say("ListClosedWorkflowExecutions", *closed.ExecutionInfos[0].CloseStatus)
	count2 := must(client.CountClosedWorkflowExecutions(
		&swf.CountClosedWorkflowExecutionsInput{Domain: domain, StartTimeFilter: ever}))
	say("CountClosedWorkflowExecutions", *count2.Count)
	described := must(client.DescribeWorkflowExecution(&swf.DescribeWorkflowExecutionInput{
		Domain: domain, Execution: execution,
	}))
	say("DescribeWorkflowExecution", *described.ExecutionInfo.ExecutionStatus)
	history := must(client.GetWorkflowExecutionHistory(&swf.GetWorkflowExecutionHistoryInput{
		Domain: domain, Execution: execution, ReverseOrder: aws.Bool(true),
	}))
	say("GetWorkflowExecutionHistory", *history.Events[0].EventType)
	must(client.DeprecateWorkflowType(&swf.DeprecateWorkflowTypeInput{
		Domain: domain, WorkflowType: order,
	}))
	must(client.DeleteWorkflowType(&swf.DeleteWorkflowTypeInput{
		Domain: domain, WorkflowType: order,
	}))
	say("DeleteWorkflowType")
	must(client.DeprecateActivityType(&swf.DeprecateActivityTypeInput{
		Domain: domain, ActivityType: pack,
	}))
	must(client.DeleteActivityType(&swf.DeleteActivityTypeInput{
		Domain: domain, ActivityType: pack,
	}))
	say("DeleteActivityType")
	must(client.DeprecateDomain(&swf.DeprecateDomainInput{Name: domain}))
	say("DeprecateDomain")
	must(client.UndeprecateDomain(&swf.UndeprecateDomainInput{Name: domain}))
	say("UndeprecateDomain")
}

// say prints an operation, and what its reply holds.
func say(operation string, values ...any) {
	words := []string{operation}
	for _, value := range values {
		words = append(words, fmt.Sprint(value))
	}
	fmt.Println(strings.Join(words, " "))
}

func must[Output any](output Output, err error) Output {
	if err != nil {
		log.Fatal(err)
	}
	return output
}
