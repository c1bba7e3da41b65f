package walk;

import com.amazonaws.Request;
import com.amazonaws.SdkClientException;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.handlers.RequestHandler2;
import com.amazonaws.services.simpleworkflow.AmazonSimpleWorkflow;
import com.amazonaws.services.simpleworkflow.AmazonSimpleWorkflowClientBuilder;
import com.amazonaws.services.simpleworkflow.model.ActivityType;
import com.amazonaws.services.simpleworkflow.model.ChildPolicy;
import com.amazonaws.services.simpleworkflow.model.CountClosedWorkflowExecutionsRequest;
import com.amazonaws.services.simpleworkflow.model.CountOpenWorkflowExecutionsRequest;
import com.amazonaws.services.simpleworkflow.model.CountPendingActivityTasksRequest;
import com.amazonaws.services.simpleworkflow.model.CountPendingDecisionTasksRequest;
import com.amazonaws.services.simpleworkflow.model.Decision;
import com.amazonaws.services.simpleworkflow.model.DecisionTask;
import com.amazonaws.services.simpleworkflow.model.DecisionType;
import com.amazonaws.services.simpleworkflow.model.DeleteActivityTypeRequest;
import com.amazonaws.services.simpleworkflow.model.DeleteWorkflowTypeRequest;
import com.amazonaws.services.simpleworkflow.model.DeprecateActivityTypeRequest;
import com.amazonaws.services.simpleworkflow.model.DeprecateDomainRequest;
import com.amazonaws.services.simpleworkflow.model.DeprecateWorkflowTypeRequest;
import com.amazonaws.services.simpleworkflow.model.DescribeActivityTypeRequest;
import com.amazonaws.services.simpleworkflow.model.DescribeDomainRequest;
import com.amazonaws.services.simpleworkflow.model.DescribeWorkflowExecutionRequest;
import com.amazonaws.services.simpleworkflow.model.DescribeWorkflowTypeRequest;
import com.amazonaws.services.simpleworkflow.model.ExecutionTimeFilter;
import com.amazonaws.services.simpleworkflow.model.GetWorkflowExecutionHistoryRequest;
import com.amazonaws.services.simpleworkflow.model.ListActivityTypesRequest;
import com.amazonaws.services.simpleworkflow.model.ListClosedWorkflowExecutionsRequest;
import com.amazonaws.services.simpleworkflow.model.ListDomainsRequest;
import com.amazonaws.services.simpleworkflow.model.ListOpenWorkflowExecutionsRequest;
import com.amazonaws.services.simpleworkflow.model.ListTagsForResourceRequest;
import com.amazonaws.services.simpleworkflow.model.ListWorkflowTypesRequest;
import com.amazonaws.services.simpleworkflow.model.PollForActivityTaskRequest;
import com.amazonaws.services.simpleworkflow.model.PollForDecisionTaskRequest;
import com.amazonaws.services.simpleworkflow.model.RecordActivityTaskHeartbeatRequest;
import com.amazonaws.services.simpleworkflow.model.RegisterActivityTypeRequest;
import com.amazonaws.services.simpleworkflow.model.RegisterDomainRequest;
import com.amazonaws.services.simpleworkflow.model.RegisterWorkflowTypeRequest;
import com.amazonaws.services.simpleworkflow.model.RegistrationStatus;
import com.amazonaws.services.simpleworkflow.model.RequestCancelActivityTaskDecisionAttributes;
import com.amazonaws.services.simpleworkflow.model.RequestCancelWorkflowExecutionRequest;
import com.amazonaws.services.simpleworkflow.model.ResourceTag;
import com.amazonaws.services.simpleworkflow.model.RespondActivityTaskCanceledRequest;
import com.amazonaws.services.simpleworkflow.model.RespondActivityTaskCompletedRequest;
import com.amazonaws.services.simpleworkflow.model.RespondActivityTaskFailedRequest;
import com.amazonaws.services.simpleworkflow.model.RespondDecisionTaskCompletedRequest;
import com.amazonaws.services.simpleworkflow.model.ScheduleActivityTaskDecisionAttributes;
import com.amazonaws.services.simpleworkflow.model.SignalWorkflowExecutionRequest;
import com.amazonaws.services.simpleworkflow.model.StartWorkflowExecutionRequest;
import com.amazonaws.services.simpleworkflow.model.TagResourceRequest;
import com.amazonaws.services.simpleworkflow.model.TaskList;
import com.amazonaws.services.simpleworkflow.model.TerminateWorkflowExecutionRequest;
import com.amazonaws.services.simpleworkflow.model.UndeprecateActivityTypeRequest;
import com.amazonaws.services.simpleworkflow.model.UndeprecateDomainRequest;
import com.amazonaws.services.simpleworkflow.model.UndeprecateWorkflowTypeRequest;
import com.amazonaws.services.simpleworkflow.model.UnknownResourceException;
import com.amazonaws.services.simpleworkflow.model.UntagResourceRequest;
import com.amazonaws.services.simpleworkflow.model.WorkflowExecution;
import com.amazonaws.services.simpleworkflow.model.WorkflowType;

import java.util.Date;

/** Calls each operation with the AWS SDK for Java 1.x, and prints what the replies hold. */
public final class V1 {
    private static final String DOMAIN = "shop";
    private static final String ORDER_ID = "order-1";
    private static final WorkflowType ORDER = new WorkflowType().withName("Order").withVersion("1");
    private static final ActivityType PACK = new ActivityType().withName("Pack").withVersion("1");
    private static final TaskList DECISIONS = new TaskList().withName("decisions");
    private static final TaskList WORK = new TaskList().withName("work");

    private final AmazonSimpleWorkflow swf;

    private V1(AmazonSimpleWorkflow swf) {
        this.swf = swf;
    }

    public static void main(String[] arguments) {
        if (arguments.length > 0) {
            printEndpoint();
            return;
        }
        V1 walk = new V1(client(System.getenv("AWS_ENDPOINT_URL_SWF")));
        walk.domains();
        walk.workflowTypes();
        walk.activityTypes();
        walk.executions();
        walk.endings();
    }

    private static AmazonSimpleWorkflow client(String endpoint) {
        return AmazonSimpleWorkflowClientBuilder.standard()
                .withEndpointConfiguration(new EndpointConfiguration(endpoint, "us-east-1"))
                .build();
    }

    /** Prints where requests go by default, and sends none. */
    private static void printEndpoint() {
        RequestHandler2 printing =
                new RequestHandler2() {
                    @Override
                    public void beforeRequest(Request<?> request) {
                        System.out.println(request.getEndpoint());
                        throw new SdkClientException("not sent");
                    }
                };
        AmazonSimpleWorkflow swf =
                AmazonSimpleWorkflowClientBuilder.standard().withRequestHandlers(printing).build();
        try {
            swf.listDomains(
                    new ListDomainsRequest().withRegistrationStatus(RegistrationStatus.REGISTERED));
        } catch (SdkClientException notSent) {
            return;
        }
    }

    private void domains() {
        swf.registerDomain(
                new RegisterDomainRequest()
                        .withName(DOMAIN)
                        .withWorkflowExecutionRetentionPeriodInDays("90"));
        say("RegisterDomain");
        var described = swf.describeDomain(new DescribeDomainRequest().withName(DOMAIN));
        say(
                "DescribeDomain",
                described.getDomainInfo().getStatus(),
                described.getConfiguration().getWorkflowExecutionRetentionPeriodInDays());
        String arn = described.getDomainInfo().getArn();
        swf.tagResource(
                new TagResourceRequest()
                        .withResourceArn(arn)
                        .withTags(new ResourceTag().withKey("team").withValue("books")));
        say("TagResource");
        var tags =
                swf.listTagsForResource(new ListTagsForResourceRequest().withResourceArn(arn))
                        .getTags();
        say("ListTagsForResource", tags.get(0).getKey(), tags.get(0).getValue());
        swf.untagResource(new UntagResourceRequest().withResourceArn(arn).withTagKeys("team"));
        say("UntagResource");
        var listed =
                swf.listDomains(
                        new ListDomainsRequest()
                                .withRegistrationStatus(RegistrationStatus.REGISTERED));
        say("ListDomains", listed.getDomainInfos().get(0).getName());
        try {
            swf.describeDomain(new DescribeDomainRequest().withName("market"));
        } catch (UnknownResourceException fault) {
            say("DescribeDomain", fault.getErrorCode(), fault.getErrorMessage());
        }
    }

    private void workflowTypes() {
        swf.registerWorkflowType(
                new RegisterWorkflowTypeRequest()
                        .withDomain(DOMAIN)
                        .withName(ORDER.getName())
                        .withVersion(ORDER.getVersion()));
        say("RegisterWorkflowType");
        swf.deprecateWorkflowType(
                new DeprecateWorkflowTypeRequest().withDomain(DOMAIN).withWorkflowType(ORDER));
        say("DeprecateWorkflowType");
        swf.undeprecateWorkflowType(
                new UndeprecateWorkflowTypeRequest().withDomain(DOMAIN).withWorkflowType(ORDER));
        say("UndeprecateWorkflowType");
        var described =
                swf.describeWorkflowType(
                        new DescribeWorkflowTypeRequest()
                                .withDomain(DOMAIN)
                                .withWorkflowType(ORDER));
        say("DescribeWorkflowType", described.getTypeInfo().getStatus());
        var listed =
                swf.listWorkflowTypes(
                        new ListWorkflowTypesRequest()
                                .withDomain(DOMAIN)
                                .withRegistrationStatus(RegistrationStatus.REGISTERED));
        say("ListWorkflowTypes", listed.getTypeInfos().get(0).getWorkflowType().getName());
    }

    private void activityTypes() {
        swf.registerActivityType(
                new RegisterActivityTypeRequest()
                        .withDomain(DOMAIN)
                        .withName(PACK.getName())
                        .withVersion(PACK.getVersion()));
        say("RegisterActivityType");
        swf.deprecateActivityType(
                new DeprecateActivityTypeRequest().withDomain(DOMAIN).withActivityType(PACK));
        say("DeprecateActivityType");
        swf.undeprecateActivityType(
                new UndeprecateActivityTypeRequest().withDomain(DOMAIN).withActivityType(PACK));
        say("UndeprecateActivityType");
        var described =
                swf.describeActivityType(
                        new DescribeActivityTypeRequest()
                                .withDomain(DOMAIN)
                                .withActivityType(PACK));
        say("DescribeActivityType", described.getTypeInfo().getStatus());
        var listed =
                swf.listActivityTypes(
                        new ListActivityTypesRequest()
                                .withDomain(DOMAIN)
                                .withRegistrationStatus(RegistrationStatus.REGISTERED));
        say("ListActivityTypes", listed.getTypeInfos().get(0).getActivityType().getName());
    }

    private void executions() {
        swf.startWorkflowExecution(
                new StartWorkflowExecutionRequest()
                        .withDomain(DOMAIN)
                        .withWorkflowId(ORDER_ID)
                        .withWorkflowType(ORDER)
                        .withTaskList(DECISIONS)
                        .withChildPolicy(ChildPolicy.TERMINATE)
                        .withExecutionStartToCloseTimeout("86400")
                        .withTaskStartToCloseTimeout("300"));
        say("StartWorkflowExecution");
        var pending =
                swf.countPendingDecisionTasks(
                        new CountPendingDecisionTasksRequest()
                                .withDomain(DOMAIN)
                                .withTaskList(DECISIONS));
        say("CountPendingDecisionTasks", pending.getCount());
        decide(decisionTask(), schedule("pack-1"), schedule("pack-2"), schedule("pack-3"));
        var scheduled =
                swf.countPendingActivityTasks(
                        new CountPendingActivityTasksRequest()
                                .withDomain(DOMAIN)
                                .withTaskList(WORK));
        say("CountPendingActivityTasks", scheduled.getCount());
        String first = activityTask();
        String second = activityTask();
        String third = activityTask();
        swf.requestCancelWorkflowExecution(
                new RequestCancelWorkflowExecutionRequest()
                        .withDomain(DOMAIN)
                        .withWorkflowId(ORDER_ID));
        say("RequestCancelWorkflowExecution");
        heartbeat(first);
        swf.respondActivityTaskCompleted(
                new RespondActivityTaskCompletedRequest()
                        .withTaskToken(first)
                        .withResult("packed"));
        say("RespondActivityTaskCompleted");
        swf.respondActivityTaskFailed(
                new RespondActivityTaskFailedRequest().withTaskToken(second).withReason("no box"));
        say("RespondActivityTaskFailed");
        decide(
                decisionTask(),
                new Decision()
                        .withDecisionType(DecisionType.RequestCancelActivityTask)
                        .withRequestCancelActivityTaskDecisionAttributes(
                                new RequestCancelActivityTaskDecisionAttributes()
                                        .withActivityId("pack-3")));
        heartbeat(third);
        swf.respondActivityTaskCanceled(
                new RespondActivityTaskCanceledRequest().withTaskToken(third));
        say("RespondActivityTaskCanceled");
    }

    private DecisionTask decisionTask() {
        DecisionTask task =
                swf.pollForDecisionTask(
                        new PollForDecisionTaskRequest()
                                .withDomain(DOMAIN)
                                .withTaskList(DECISIONS));
        say(
                "PollForDecisionTask",
                task.getWorkflowExecution().getWorkflowId(),
                task.getPreviousStartedEventId());
        return task;
    }

    private void decide(DecisionTask task, Decision... decisions) {
        swf.respondDecisionTaskCompleted(
                new RespondDecisionTaskCompletedRequest()
                        .withTaskToken(task.getTaskToken())
                        .withDecisions(decisions));
        say("RespondDecisionTaskCompleted");
    }

    private static Decision schedule(String activityId) {
        return new Decision()
                .withDecisionType(DecisionType.ScheduleActivityTask)
                .withScheduleActivityTaskDecisionAttributes(
                        new ScheduleActivityTaskDecisionAttributes()
                                .withActivityId(activityId)
                                .withActivityType(PACK)
                                .withTaskList(WORK)
                                .withHeartbeatTimeout("600")
                                .withScheduleToCloseTimeout("600")
                                .withScheduleToStartTimeout("600")
                                .withStartToCloseTimeout("600"));
    }

    private String activityTask() {
        var task =
                swf.pollForActivityTask(
                        new PollForActivityTaskRequest().withDomain(DOMAIN).withTaskList(WORK));
        say("PollForActivityTask", task.getActivityId());
        return task.getTaskToken();
    }

    private void heartbeat(String token) {
        var status =
                swf.recordActivityTaskHeartbeat(
                        new RecordActivityTaskHeartbeatRequest()
                                .withTaskToken(token)
                                .withDetails("half of it"));
        say("RecordActivityTaskHeartbeat", status.getCancelRequested());
    }

    private void endings() {
        swf.signalWorkflowExecution(
                new SignalWorkflowExecutionRequest()
                        .withDomain(DOMAIN)
                        .withWorkflowId(ORDER_ID)
                        .withSignalName("hurry"));
        say("SignalWorkflowExecution");
        ExecutionTimeFilter ever = new ExecutionTimeFilter().withOldestDate(new Date(0));
        var open =
                swf.listOpenWorkflowExecutions(
                        new ListOpenWorkflowExecutionsRequest()
                                .withDomain(DOMAIN)
                                .withStartTimeFilter(ever));
        WorkflowExecution execution = open.getExecutionInfos().get(0).getExecution();
        say("ListOpenWorkflowExecutions", execution.getWorkflowId());
        var opened =
                swf.countOpenWorkflowExecutions(
                        new CountOpenWorkflowExecutionsRequest()
                                .withDomain(DOMAIN)
                                .withStartTimeFilter(ever));
        say("CountOpenWorkflowExecutions", opened.getCount());
        swf.terminateWorkflowExecution(
                new TerminateWorkflowExecutionRequest()
                        .withDomain(DOMAIN)
                        .withWorkflowId(ORDER_ID));
        say("TerminateWorkflowExecution");
        var closed =
                swf.listClosedWorkflowExecutions(
                        new ListClosedWorkflowExecutionsRequest()
                                .withDomain(DOMAIN)
                                .withStartTimeFilter(ever));
        say("ListClosedWorkflowExecutions", closed.getExecutionInfos().get(0).getCloseStatus());
        var ended =
                swf.countClosedWorkflowExecutions(
                        new CountClosedWorkflowExecutionsRequest()
                                .withDomain(DOMAIN)
                                .withStartTimeFilter(ever));
        say("CountClosedWorkflowExecutions", ended.getCount());
        var described =
                swf.describeWorkflowExecution(
                        new DescribeWorkflowExecutionRequest()
                                .withDomain(DOMAIN)
                                .withExecution(execution));
        say("DescribeWorkflowExecution", described.getExecutionInfo().getExecutionStatus());
        var history =
                swf.getWorkflowExecutionHistory(
                        new GetWorkflowExecutionHistoryRequest()
                                .withDomain(DOMAIN)
                                .withExecution(execution)
                                .withReverseOrder(true));
        say("GetWorkflowExecutionHistory", history.getEvents().get(0).getEventType());
        swf.deprecateWorkflowType(
                new DeprecateWorkflowTypeRequest().withDomain(DOMAIN).withWorkflowType(ORDER));
        swf.deleteWorkflowType(
                new DeleteWorkflowTypeRequest().withDomain(DOMAIN).withWorkflowType(ORDER));
        say("DeleteWorkflowType");
        swf.deprecateActivityType(
                new DeprecateActivityTypeRequest().withDomain(DOMAIN).withActivityType(PACK));
        swf.deleteActivityType(
                new DeleteActivityTypeRequest().withDomain(DOMAIN).withActivityType(PACK));
        say("DeleteActivityType");
        swf.deprecateDomain(new DeprecateDomainRequest().withName(DOMAIN));
        say("DeprecateDomain");
        swf.undeprecateDomain(new UndeprecateDomainRequest().withName(DOMAIN));
        say("UndeprecateDomain");
    }

    /** Prints an operation, and what its reply holds. */
    private static void say(String operation, Object... values) {
        StringBuilder line = new StringBuilder(operation);
        for (Object value : values) {
            line.append(' ').append(value);
        }
        System.out.println(line);
    }
}
