package order_test

import (
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/swf"
	"github.com/aws/aws-sdk-go-v2/service/swf/types"

	"example.com/shop/flowysim"
	"example.com/shop/order"
)

func TestAnOrderIsShippedADayAfterItsPayment(t *testing.T) {
	simulation := flowysim.New(t)
	client := startOrder(t, simulation)
	inBackground(t, func() error { return order.Decide(t.Context(), client) })
	inBackground(t, func() error {
		return order.Work(t.Context(), client, func(activity string) string { return activity + " done" })
	})

	simulation.Settle(30 * time.Second)

	closed := closedOrder(t, client)
	if closed.CloseStatus != types.CloseStatusCompleted {
		t.Errorf("the order is %s", closed.CloseStatus)
	}
	took := closed.CloseTimestamp.Sub(*closed.StartTimestamp)
	if took < 24*time.Hour || took > 25*time.Hour {
		t.Errorf("the order took %v", took)
	}
}

func TestAnOrderFailsIfItsCardIsRefused(t *testing.T) {
	simulation := flowysim.New(t)
	client := startOrder(t, simulation)
	simulation.Stub(flowysim.Stub{
		Activity: "charge", Version: "1", Answer: flowysim.Answer{Error: "the card was refused"},
	})
	inBackground(t, func() error { return order.Decide(t.Context(), client) })

	simulation.Settle(30 * time.Second)

	if closed := closedOrder(t, client); closed.CloseStatus != types.CloseStatusFailed {
		t.Errorf("the order is %s", closed.CloseStatus)
	}
}

func TestAnOrderThatIsWithdrawnWithinADayIsNotShipped(t *testing.T) {
	simulation := flowysim.New(t)
	client := startOrder(t, simulation)
	for _, name := range []string{"charge", "ship"} {
		simulation.Stub(flowysim.Stub{Activity: name, Version: "1"})
	}
	simulation.After(23*time.Hour, "TerminateWorkflowExecution",
		map[string]any{"domain": order.Domain, "workflowId": "order-1"})
	inBackground(t, func() error { return order.Decide(t.Context(), client) })

	simulation.Settle(30 * time.Second)

	if closed := closedOrder(t, client); closed.CloseStatus != types.CloseStatusTerminated {
		t.Errorf("the order is %s", closed.CloseStatus)
	}
	if calls := simulation.Calls(); len(calls) != 1 || calls[0].Activity != "charge" {
		t.Errorf("the calls were %v", calls)
	}
}

func TestAnOrderThatNoWorkerTakesTimesOut(t *testing.T) {
	simulation := flowysim.New(t)
	client := startOrder(t, simulation)

	simulation.Advance(3 * 24 * time.Hour)

	if closed := closedOrder(t, client); closed.CloseStatus != types.CloseStatusTimedOut {
		t.Errorf("the order is %s", closed.CloseStatus)
	}
}

func startOrder(t *testing.T, simulation *flowysim.Simulation) *swf.Client {
	t.Helper()
	client := simulation.Client()
	if err := order.Register(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	if err := order.Start(t.Context(), client, "order-1"); err != nil {
		t.Fatal(err)
	}
	return client
}

// inBackground runs a loop until the test's context is canceled.
func inBackground(t *testing.T, loop func() error) {
	var ended sync.WaitGroup
	ended.Add(1)
	go func() {
		defer ended.Done()
		if err := loop(); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(ended.Wait)
}

func closedOrder(t *testing.T, client *swf.Client) types.WorkflowExecutionInfo {
	t.Helper()
	closed, err := client.ListClosedWorkflowExecutions(t.Context(),
		&swf.ListClosedWorkflowExecutionsInput{
			Domain:          aws.String(order.Domain),
			StartTimeFilter: &types.ExecutionTimeFilter{OldestDate: aws.Time(time.Unix(0, 0))},
		})
	if err != nil {
		t.Fatal(err)
	}
	if len(closed.ExecutionInfos) != 1 {
		t.Fatalf("closed executions: %v", closed.ExecutionInfos)
	}
	return closed.ExecutionInfos[0]
}
