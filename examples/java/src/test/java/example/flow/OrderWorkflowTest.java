package example.flow;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.simpleworkflow.AmazonSimpleWorkflow;
import com.amazonaws.services.simpleworkflow.AmazonSimpleWorkflowClientBuilder;
import com.amazonaws.services.simpleworkflow.flow.ActivityWorker;
import com.amazonaws.services.simpleworkflow.flow.WorkflowWorker;
import com.amazonaws.services.simpleworkflow.model.DescribeWorkflowExecutionRequest;
import com.amazonaws.services.simpleworkflow.model.RegisterDomainRequest;
import com.amazonaws.services.simpleworkflow.model.WorkflowExecutionInfo;

import example.FlowySim;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

import java.time.Duration;

@ExtendWith(FlowySim.class)
class OrderWorkflowTest {
    private static final String DOMAIN = "shop";
    private static final String TASK_LIST = "orders";

    @Test
    void aRefusedCardIsChargedAgainAnHourLater(FlowySim.Simulation simulation) throws Exception {
        AmazonSimpleWorkflow swf = client(simulation);
        swf.registerDomain(
                new RegisterDomainRequest()
                        .withName(DOMAIN)
                        .withWorkflowExecutionRetentionPeriodInDays("90"));
        WorkflowWorker decider = new WorkflowWorker(swf, DOMAIN, TASK_LIST);
        decider.addWorkflowImplementationType(OrderWorkflowImpl.class);
        decider.start();
        CardRefusedOnce activities = new CardRefusedOnce();
        ActivityWorker worker = new ActivityWorker(swf, DOMAIN, TASK_LIST);
        worker.addActivitiesImplementation(activities);
        worker.start();

        OrderWorkflowClientExternal order =
                new OrderWorkflowClientExternalFactoryImpl(swf, DOMAIN).getClient("order-1");
        order.process();
        simulation.settle(Duration.ofSeconds(60));

        WorkflowExecutionInfo info =
                swf.describeWorkflowExecution(
                                new DescribeWorkflowExecutionRequest()
                                        .withDomain(DOMAIN)
                                        .withExecution(order.getWorkflowExecution()))
                        .getExecutionInfo();
        assertEquals("COMPLETED", info.getCloseStatus());
        assertEquals(2, activities.charges);
        Duration took =
                Duration.between(
                        info.getStartTimestamp().toInstant(), info.getCloseTimestamp().toInstant());
        assertEquals(25, took.toHours());
        worker.shutdownNow();
        decider.shutdownNow();
    }

    /** A client of the AWS SDK for Java 1.x, which does not read AWS_ENDPOINT_URL_SWF. */
    private static AmazonSimpleWorkflow client(FlowySim.Simulation simulation) {
        return AmazonSimpleWorkflowClientBuilder.standard()
                .withEndpointConfiguration(
                        new EndpointConfiguration(simulation.endpoint.toString(), "us-east-1"))
                .withCredentials(
                        new AWSStaticCredentialsProvider(new BasicAWSCredentials("test", "test")))
                .build();
    }

    private static final class CardRefusedOnce implements OrderActivities {
        private volatile int charges;

        @Override
        public void charge() {
            charges++;
            if (charges == 1) {
                throw new IllegalStateException("the card was refused");
            }
        }

        @Override
        public void ship() {}
    }
}
