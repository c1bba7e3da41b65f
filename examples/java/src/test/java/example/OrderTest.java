package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import software.amazon.awssdk.services.swf.SwfClient;
import software.amazon.awssdk.services.swf.model.CloseStatus;

@ExtendWith(FlowySim.class)
class OrderTest {
    @BeforeEach
    void register(FlowySim.Simulation simulation, SwfClient swf) {
        simulation.reset();
        Order.register(swf);
    }

    @Test
    void anOrderIsShippedADayAfterItsPayment(FlowySim.Simulation simulation, SwfClient swf) {
        String runId = Order.start(swf, "order-1");
        ExecutorService loops = Executors.newCachedThreadPool();
        loops.submit(() -> Order.decide(simulation.client()));
        loops.submit(() -> Order.work(simulation.client(), activity -> activity + " done"));

        assertTrue(simulation.settle(Duration.ofSeconds(30)));
        loops.shutdownNow();

        var info =
                swf.describeWorkflowExecution(
                                r ->
                                        r.domain(Order.DOMAIN)
                                                .execution(e -> e.workflowId("order-1").runId(runId)))
                        .executionInfo();
        assertEquals(CloseStatus.COMPLETED, info.closeStatus());
        assertEquals(1, Duration.between(info.startTimestamp(), info.closeTimestamp()).toDays());
    }

    @Test
    void anOrderThatNoWorkerTakesTimesOut(FlowySim.Simulation simulation, SwfClient swf) {
        Order.start(swf, "order-1");

        simulation.advance(Duration.ofDays(3));

        var closed =
                swf.listClosedWorkflowExecutions(
                        r -> r.domain(Order.DOMAIN).startTimeFilter(f -> f.oldestDate(Instant.EPOCH)));
        assertEquals(CloseStatus.TIMED_OUT, closed.executionInfos().get(0).closeStatus());
    }
}
