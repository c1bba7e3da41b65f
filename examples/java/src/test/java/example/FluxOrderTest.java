package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.danielgmyers.flux.FluxCapacitor;
import com.danielgmyers.flux.clients.swf.FluxCapacitorConfig;
import com.danielgmyers.flux.clients.swf.FluxCapacitorFactory;
import com.danielgmyers.flux.wf.WorkflowStatus;
import com.danielgmyers.metrics.recorders.NoopMetricRecorderFactory;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

@ExtendWith(FlowySim.class)
class FluxOrderTest {
    @Test
    void aRefusedCardIsChargedAgainEachHour(FlowySim.Simulation simulation) throws Exception {
        AtomicInteger charges = new AtomicInteger();
        FluxCapacitorConfig config = new FluxCapacitorConfig();
        config.setSwfDomain("shop");
        config.setAwsRegion("us-east-1");
        config.setSwfEndpoint(simulation.endpoint.toString());
        FluxCapacitor flux =
                FluxCapacitorFactory.create(
                        new NoopMetricRecorderFactory(),
                        StaticCredentialsProvider.create(
                                AwsBasicCredentials.create("test", "test")),
                        config);
        flux.initialize(List.of(new FluxOrder(() -> charges.incrementAndGet() == 3)));
        Instant began = simulation.now();

        var order = flux.executeWorkflow(FluxOrder.class, "order-1", Map.of());
        simulation.settle(Duration.ofSeconds(60));

        assertEquals(WorkflowStatus.COMPLETED, order.checkStatus());
        assertEquals(3, charges.get());
        assertEquals(2, Duration.between(began, simulation.now()).toHours());

        // Flux waits for its polls to end; a reset ends them at once.
        flux.shutdown();
        simulation.reset();
        assertTrue(flux.awaitTermination(70, TimeUnit.SECONDS));
    }
}
