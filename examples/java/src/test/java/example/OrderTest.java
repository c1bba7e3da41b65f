package example;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

import software.amazon.awssdk.services.swf.SwfClient;
import software.amazon.awssdk.services.swf.model.CloseStatus;
import software.amazon.awssdk.services.swf.model.WorkflowExecutionInfo;

import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

@ExtendWith(FlowySim.class)
class OrderTest {
    @BeforeEach
    void register(FlowySim.Simulation simulation, SwfClient swf) {
        simulation.reset();
        Order.register(swf);
    }

    @Test
    void anOrderIsShippedADayAfterItsPayment(FlowySim.Simulation simulation, SwfClient swf) {
        Order.start(swf, "order-1");
        ExecutorService loops = Executors.newCachedThreadPool();
        loops.execute(() -> Order.decide(simulation.client()));
        loops.execute(() -> Order.work(simulation.client(), activity -> activity + " done"));

        simulation.settle(Duration.ofSeconds(30));
        loops.shutdownNow();

        WorkflowExecutionInfo order = closedOrder(swf);
        assertEquals(CloseStatus.COMPLETED, order.closeStatus());
        Duration took = Duration.between(order.startTimestamp(), order.closeTimestamp());
        assertEquals(1, took.toDays());
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
