package order_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/swf"
	"github.com/aws/aws-sdk-go-v2/service/swf/types"

	"example.com/flowysim/flowysim"
	"example.com/flowysim/order"
)

func TestAnOrderIsShippedADayAfterItsPayment(t *testing.T) {
	simulation := flowysim.New(t)
	client := simulation.Client()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := order.Register(ctx, client); err != nil {
		t.Fatal(err)
	}
	began := simulation.Clock().Now
	run, err := order.Start(ctx, client, "order-1")
	if err != nil {
		t.Fatal(err)
	}

	go order.Decide(ctx, simulation.Client())
	go order.Work(ctx, simulation.Client(), func(activity string) string { return activity + " done" })
	if !simulation.Settle(30 * time.Second) {
		t.Fatal("the order is still moving")
	}

	described, err := client.DescribeWorkflowExecution(ctx, &swf.DescribeWorkflowExecutionInput{
		Domain:    aws.String(order.Domain),
		Execution: &types.WorkflowExecution{WorkflowId: aws.String("order-1"), RunId: &run},
	})
	if err != nil {
		t.Fatal(err)
	}
	info := described.ExecutionInfo
	if info.CloseStatus != types.CloseStatusCompleted {
		t.Fatalf("the order is %s %s", info.ExecutionStatus, info.CloseStatus)
	}
	if took := info.CloseTimestamp.Sub(began); took < 24*time.Hour || took > 25*time.Hour {
		t.Errorf("the order took %v", took)
	}
}

func TestAnOrderThatNoWorkerTakesTimesOut(t *testing.T) {
	simulation := flowysim.New(t)
	client := simulation.Client()
	ctx := context.Background()
	if err := order.Register(ctx, client); err != nil {
		t.Fatal(err)
	}
	if _, err := order.Start(ctx, client, "order-1"); err != nil {
		t.Fatal(err)
	}

	simulation.Advance(3 * 24 * time.Hour)

	closed, err := client.ListClosedWorkflowExecutions(ctx, &swf.ListClosedWorkflowExecutionsInput{
		Domain:          aws.String(order.Domain),
		StartTimeFilter: &types.ExecutionTimeFilter{OldestDate: aws.Time(time.Unix(0, 0))},
	})
	if err != nil {
		t.Fatal(err)
	}
	if found := closed.ExecutionInfos; len(found) != 1 ||
		found[0].CloseStatus != types.CloseStatusTimedOut {
		t.Fatalf("closed executions: %v", found)
	}
}
