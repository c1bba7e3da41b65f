package walk;

import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.services.swf.SwfClient;
import software.amazon.awssdk.services.swf.model.ActivityType;
import software.amazon.awssdk.services.swf.model.ChildPolicy;
import software.amazon.awssdk.services.swf.model.Decision;
import software.amazon.awssdk.services.swf.model.DecisionType;
import software.amazon.awssdk.services.swf.model.ExecutionTimeFilter;
import software.amazon.awssdk.services.swf.model.PollForActivityTaskResponse;
import software.amazon.awssdk.services.swf.model.PollForDecisionTaskResponse;
import software.amazon.awssdk.services.swf.model.RegistrationStatus;
import software.amazon.awssdk.services.swf.model.ResourceTag;
import software.amazon.awssdk.services.swf.model.TaskList;
import software.amazon.awssdk.services.swf.model.UnknownResourceException;
import software.amazon.awssdk.services.swf.model.WorkflowExecution;
import software.amazon.awssdk.services.swf.model.WorkflowType;

import java.time.Instant;

/** Calls each operation with the AWS SDK for Java 2.x, and prints what the replies hold. */
public final class V2 {
    private static final String DOMAIN = "shop";
    private static final String ORDER_ID = "order-1";
    private static final WorkflowType ORDER =
            WorkflowType.builder().name("Order").version("1").build();
    private static final ActivityType PACK =
            ActivityType.builder().name("Pack").version("1").build();
    private static final TaskList DECISIONS = TaskList.builder().name("decisions").build();
    private static final TaskList WORK = TaskList.builder().name("work").build();

    private final SwfClient swf;

    private V2(SwfClient swf) {
        this.swf = swf;
    }

    public static void main(String[] arguments) {
        if (arguments.length > 0) {
            printEndpoint();
            return;
        }
        V2 walk = new V2(SwfClient.create());
        walk.domains();
        walk.workflowTypes();
        walk.activityTypes();
        walk.executions();
        walk.endings();
    }

    /** Prints where requests go, and sends none. */
    private static void printEndpoint() {
        ExecutionInterceptor printing =
                new ExecutionInterceptor() {
                    @Override
                    public void beforeTransmission(
                            Context.BeforeTransmission context, ExecutionAttributes attributes) {
                        System.out.println(context.httpRequest().getUri());
                        throw SdkException.create("not sent", null);
                    }
                };
        SwfClient swf =
                SwfClient.builder()
                        .overrideConfiguration(c -> c.addExecutionInterceptor(printing))
                        .build();
        try {
            swf.listDomains(r -> r.registrationStatus(RegistrationStatus.REGISTERED));
        } catch (SdkException notSent) {
            return;
        }
    }

    private void domains() {
        swf.registerDomain(r -> r.name(DOMAIN).workflowExecutionRetentionPeriodInDays("90"));
        say("RegisterDomain");
        var described = swf.describeDomain(r -> r.name(DOMAIN));
        say(
                "DescribeDomain",
                described.domainInfo().status(),
                described.configuration().workflowExecutionRetentionPeriodInDays());
        String arn = described.domainInfo().arn();
        ResourceTag tag = ResourceTag.builder().key("team").value("books").build();
        swf.tagResource(r -> r.resourceArn(arn).tags(tag));
        say("TagResource");
        var tags = swf.listTagsForResource(r -> r.resourceArn(arn)).tags();
        say("ListTagsForResource", tags.get(0).key(), tags.get(0).value());
        swf.untagResource(r -> r.resourceArn(arn).tagKeys("team"));
        say("UntagResource");
        var listed = swf.listDomains(r -> r.registrationStatus(RegistrationStatus.REGISTERED));
        say("ListDomains", listed.domainInfos().get(0).name());
        try {
            swf.describeDomain(r -> r.name("market"));
        } catch (UnknownResourceException fault) {
            var details = fault.awsErrorDetails();
            say("DescribeDomain", details.errorCode(), details.errorMessage());
        }
    }

    private void workflowTypes() {
        swf.registerWorkflowType(r -> r.domain(DOMAIN).name(ORDER.name()).version(ORDER.version()));
        say("RegisterWorkflowType");
        swf.deprecateWorkflowType(r -> r.domain(DOMAIN).workflowType(ORDER));
        say("DeprecateWorkflowType");
        swf.undeprecateWorkflowType(r -> r.domain(DOMAIN).workflowType(ORDER));
        say("UndeprecateWorkflowType");
        var described = swf.describeWorkflowType(r -> r.domain(DOMAIN).workflowType(ORDER));
        say("DescribeWorkflowType", described.typeInfo().status());
        var listed =
                swf.listWorkflowTypes(
                        r -> r.domain(DOMAIN).registrationStatus(RegistrationStatus.REGISTERED));
        say("ListWorkflowTypes", listed.typeInfos().get(0).workflowType().name());
    }

    private void activityTypes() {
        swf.registerActivityType(r -> r.domain(DOMAIN).name(PACK.name()).version(PACK.version()));
        say("RegisterActivityType");
        swf.deprecateActivityType(r -> r.domain(DOMAIN).activityType(PACK));
        say("DeprecateActivityType");
        swf.undeprecateActivityType(r -> r.domain(DOMAIN).activityType(PACK));
        say("UndeprecateActivityType");
        var described = swf.describeActivityType(r -> r.domain(DOMAIN).activityType(PACK));
        say("DescribeActivityType", described.typeInfo().status());
        var listed =
                swf.listActivityTypes(
                        r -> r.domain(DOMAIN).registrationStatus(RegistrationStatus.REGISTERED));
        say("ListActivityTypes", listed.typeInfos().get(0).activityType().name());
    }

    private void executions() {
        swf.startWorkflowExecution(
                r ->
                        r.domain(DOMAIN)
                                .workflowId(ORDER_ID)
                                .workflowType(ORDER)
                                .taskList(DECISIONS)
                                .childPolicy(ChildPolicy.TERMINATE)
                                .executionStartToCloseTimeout("86400")
                                .taskStartToCloseTimeout("300"));
        say("StartWorkflowExecution");
        var pending = swf.countPendingDecisionTasks(r -> r.domain(DOMAIN).taskList(DECISIONS));
        say("CountPendingDecisionTasks", pending.count());
        decide(decisionTask(), schedule("pack-1"), schedule("pack-2"), schedule("pack-3"));
        var scheduled = swf.countPendingActivityTasks(r -> r.domain(DOMAIN).taskList(WORK));
        say("CountPendingActivityTasks", scheduled.count());
        String first = activityTask();
        String second = activityTask();
        String third = activityTask();
        swf.requestCancelWorkflowExecution(r -> r.domain(DOMAIN).workflowId(ORDER_ID));
        say("RequestCancelWorkflowExecution");
        heartbeat(first);
        swf.respondActivityTaskCompleted(r -> r.taskToken(first).result("packed"));
        say("RespondActivityTaskCompleted");
        swf.respondActivityTaskFailed(r -> r.taskToken(second).reason("no box"));
        say("RespondActivityTaskFailed");
        decide(
                decisionTask(),
                Decision.builder()
                        .decisionType(DecisionType.REQUEST_CANCEL_ACTIVITY_TASK)
                        .requestCancelActivityTaskDecisionAttributes(a -> a.activityId("pack-3"))
                        .build());
        heartbeat(third);
        swf.respondActivityTaskCanceled(r -> r.taskToken(third));
        say("RespondActivityTaskCanceled");
    }

    private PollForDecisionTaskResponse decisionTask() {
        var task = swf.pollForDecisionTask(r -> r.domain(DOMAIN).taskList(DECISIONS));
        say(
                "PollForDecisionTask",
                task.workflowExecution().workflowId(),
                task.previousStartedEventId());
        return task;
    }

    private void decide(PollForDecisionTaskResponse task, Decision... decisions) {
        swf.respondDecisionTaskCompleted(r -> r.taskToken(task.taskToken()).decisions(decisions));
        say("RespondDecisionTaskCompleted");
    }

    private static Decision schedule(String activityId) {
        return Decision.builder()
                .decisionType(DecisionType.SCHEDULE_ACTIVITY_TASK)
                .scheduleActivityTaskDecisionAttributes(
                        a ->
                                a.activityId(activityId)
                                        .activityType(PACK)
                                        .taskList(WORK)
                                        .heartbeatTimeout("600")
                                        .scheduleToCloseTimeout("600")
                                        .scheduleToStartTimeout("600")
                                        .startToCloseTimeout("600"))
                .build();
    }

    private String activityTask() {
        PollForActivityTaskResponse task =
                swf.pollForActivityTask(r -> r.domain(DOMAIN).taskList(WORK));
        say("PollForActivityTask", task.activityId());
        return task.taskToken();
    }

    private void heartbeat(String token) {
        var status = swf.recordActivityTaskHeartbeat(r -> r.taskToken(token).details("half of it"));
        say("RecordActivityTaskHeartbeat", status.cancelRequested());
    }

    private void endings() {
        swf.signalWorkflowExecution(r -> r.domain(DOMAIN).workflowId(ORDER_ID).signalName("hurry"));
        say("SignalWorkflowExecution");
        ExecutionTimeFilter ever = ExecutionTimeFilter.builder().oldestDate(Instant.EPOCH).build();
        var open = swf.listOpenWorkflowExecutions(r -> r.domain(DOMAIN).startTimeFilter(ever));
        WorkflowExecution execution = open.executionInfos().get(0).execution();
        say("ListOpenWorkflowExecutions", execution.workflowId());
        var opened = swf.countOpenWorkflowExecutions(r -> r.domain(DOMAIN).startTimeFilter(ever));
        say("CountOpenWorkflowExecutions", opened.count());
        swf.terminateWorkflowExecution(r -> r.domain(DOMAIN).workflowId(ORDER_ID));
        say("TerminateWorkflowExecution");
        var closed = swf.listClosedWorkflowExecutions(r -> r.domain(DOMAIN).startTimeFilter(ever));
        say("ListClosedWorkflowExecutions", closed.executionInfos().get(0).closeStatus());
        var ended = swf.countClosedWorkflowExecutions(r -> r.domain(DOMAIN).startTimeFilter(ever));
        say("CountClosedWorkflowExecutions", ended.count());
        var described = swf.describeWorkflowExecution(r -> r.domain(DOMAIN).execution(execution));
        say("DescribeWorkflowExecution", described.executionInfo().executionStatus());
        var history =
                swf.getWorkflowExecutionHistory(
                        r -> r.domain(DOMAIN).execution(execution).reverseOrder(true));
        say("GetWorkflowExecutionHistory", history.events().get(0).eventType());
        swf.deprecateWorkflowType(r -> r.domain(DOMAIN).workflowType(ORDER));
        swf.deleteWorkflowType(r -> r.domain(DOMAIN).workflowType(ORDER));
        say("DeleteWorkflowType");
        swf.deprecateActivityType(r -> r.domain(DOMAIN).activityType(PACK));
        swf.deleteActivityType(r -> r.domain(DOMAIN).activityType(PACK));
        say("DeleteActivityType");
        swf.deprecateDomain(r -> r.name(DOMAIN));
        say("DeprecateDomain");
        swf.undeprecateDomain(r -> r.name(DOMAIN));
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
