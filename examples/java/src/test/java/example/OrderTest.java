package example;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

import software.amazon.awssdk.services.swf.SwfClient;
import software.amazon.awssdk.services.swf.model.CloseStatus;
import software.amazon.awssdk.services.swf.model.WorkflowExecutionInfo;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

@ExtendWith(FlowySim.class)
class OrderTest {
    private final ExecutorService loops = Executors.newCachedThreadPool();

    @BeforeEach
    void register(FlowySim.Simulation simulation, SwfClient swf) {
        simulation.reset();
        Order.register(swf);
    }

    @AfterEach
    void stop() {
        loops.shutdownNow();
    }

    @Test
    void anOrderIsShippedADayAfterItsPayment(FlowySim.Simulation simulation, SwfClient swf) {
        Order.start(swf, "order-1");
        loops.execute(() -> Order.decide(simulation.client()));
        loops.execute(() -> Order.work(simulation.client(), activity -> activity + " done"));

        simulation.settle(Duration.ofSeconds(30));

        WorkflowExecutionInfo order = closedOrder(swf);
        assertEquals(CloseStatus.COMPLETED, order.closeStatus());
        Duration took = Duration.between(order.startTimestamp(), order.closeTimestamp());
        assertEquals(1, took.toDays());
    }

    @Test
    void anOrderFailsIfItsCardIsRefused(FlowySim.Simulation simulation, SwfClient swf) {
        simulation.stub(
                Map.of("activity", "charge", "version", "1", "error", "the card was refused"));
        Order.start(swf, "order-1");
        loops.execute(() -> Order.decide(simulation.client()));

        simulation.settle(Duration.ofSeconds(30));

        assertEquals(CloseStatus.FAILED, closedOrder(swf).closeStatus());
    }

    @Test
    void anOrderThatIsWithdrawnWithinADayIsNotShipped(
            FlowySim.Simulation simulation, SwfClient swf) {
        simulation.stub(Map.of("activity", "charge", "version", "1"));
        simulation.stub(Map.of("activity", "ship", "version", "1"));
        Order.start(swf, "order-1");
        simulation.after(
                Duration.ofHours(23),
                "TerminateWorkflowExecution",
                Map.of("domain", Order.DOMAIN, "workflowId", "order-1"));
        loops.execute(() -> Order.decide(simulation.client()));

        simulation.settle(Duration.ofSeconds(30));

        assertEquals(CloseStatus.TERMINATED, closedOrder(swf).closeStatus());
        assertEquals(
                List.of("charge"),
                simulation.calls().stream().map(call -> call.get("activity").asText()).toList());
    }

    @Test
    void anOrderThatNoWorkerTakesTimesOut(FlowySim.Simulation simulation, SwfClient swf) {
        Order.start(swf, "order-1");

        simulation.advance(Duration.ofDays(3));

        assertEquals(CloseStatus.TIMED_OUT, closedOrder(swf).closeStatus());
    }

    private static WorkflowExecutionInfo closedOrder(SwfClient swf) {
        return swf.listClosedWorkflowExecutions(
                        r ->
                                r.domain(Order.DOMAIN)
                                        .startTimeFilter(f -> f.oldestDate(Instant.EPOCH)))
                .executionInfos()
                .get(0);
    }
}
