package example;

import software.amazon.awssdk.core.exception.AbortedException;
import software.amazon.awssdk.services.swf.SwfClient;
import software.amazon.awssdk.services.swf.model.ChildPolicy;
import software.amazon.awssdk.services.swf.model.Decision;
import software.amazon.awssdk.services.swf.model.DecisionType;
import software.amazon.awssdk.services.swf.model.HistoryEvent;
import software.amazon.awssdk.services.swf.model.TaskList;
import software.amazon.awssdk.services.swf.model.WorkflowType;

import java.util.List;
import java.util.ListIterator;
import java.util.function.UnaryOperator;

/** A decider and a worker on the AWS SDK for Java 2.x: charge a card, ship after a day. */
public final class Order {
    public static final String DOMAIN = "shop";

    private static final TaskList TASK_LIST = TaskList.builder().name("orders").build();
    private static final WorkflowType TYPE =
            WorkflowType.builder().name("Order").version("1").build();

    private Order() {}

    public static void register(SwfClient swf) {
        swf.registerDomain(r -> r.name(DOMAIN).workflowExecutionRetentionPeriodInDays("90"));
        swf.registerWorkflowType(
                r ->
                        r.domain(DOMAIN)
                                .name(TYPE.name())
                                .version(TYPE.version())
                                .defaultTaskList(TASK_LIST)
                                .defaultTaskStartToCloseTimeout("60")
                                .defaultExecutionStartToCloseTimeout("259200")
                                .defaultChildPolicy(ChildPolicy.TERMINATE));
        for (String name : List.of("charge", "ship")) {
            swf.registerActivityType(
                    r ->
                            r.domain(DOMAIN)
                                    .name(name)
                                    .version("1")
                                    .defaultTaskList(TASK_LIST)
                                    .defaultTaskScheduleToStartTimeout("300")
                                    .defaultTaskScheduleToCloseTimeout("600")
                                    .defaultTaskStartToCloseTimeout("300")
                                    .defaultTaskHeartbeatTimeout("NONE"));
        }
    }

    public static String start(SwfClient swf, String workflowId) {
        return swf.startWorkflowExecution(
                        r -> r.domain(DOMAIN).workflowId(workflowId).workflowType(TYPE))
                .runId();
    }

    /** The decider's loop, until its thread is interrupted. */
    public static void decide(SwfClient swf) {
        untilInterrupted(
                () -> {
                    var task = swf.pollForDecisionTask(r -> r.domain(DOMAIN).taskList(TASK_LIST));
                    if (task.taskToken() != null) {
                        swf.respondDecisionTaskCompleted(
                                r ->
                                        r.taskToken(task.taskToken())
                                                .decisions(decisions(task.events())));
                    }
                });
    }

    /** The activity worker's loop, until its thread is interrupted. */
    public static void work(SwfClient swf, UnaryOperator<String> run) {
        untilInterrupted(
                () -> {
                    var task = swf.pollForActivityTask(r -> r.domain(DOMAIN).taskList(TASK_LIST));
                    if (task.taskToken() != null) {
                        String result = run.apply(task.activityType().name());
                        swf.respondActivityTaskCompleted(
                                r -> r.taskToken(task.taskToken()).result(result));
                    }
                });
    }

    private static void untilInterrupted(Runnable step) {
        try {
            while (!Thread.currentThread().isInterrupted()) {
                step.run();
            }
        } catch (AbortedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Returns the decisions that the newest relevant event calls for. */
    private static List<Decision> decisions(List<HistoryEvent> history) {
        ListIterator<HistoryEvent> events = history.listIterator(history.size());
        while (events.hasPrevious()) {
            HistoryEvent event = events.previous();
            switch (event.eventType()) {
                case WORKFLOW_EXECUTION_STARTED:
                    return List.of(schedule("charge"));
                case ACTIVITY_TASK_COMPLETED:
                    var completed = event.activityTaskCompletedEventAttributes();
                    String activityId =
                            history.get((int) (completed.scheduledEventId() - 1))
                                    .activityTaskScheduledEventAttributes()
                                    .activityId();
                    return List.of(
                            activityId.equals("charge")
                                    ? waitADay()
                                    : complete(completed.result()));
                case TIMER_FIRED:
                    return List.of(schedule("ship"));
                case ACTIVITY_TASK_FAILED:
                case ACTIVITY_TASK_TIMED_OUT:
                    return List.of(fail(event.eventTypeAsString() + ", event " + event.eventId()));
                default:
            }
        }
        return List.of();
    }

    private static Decision schedule(String name) {
        return Decision.builder()
                .decisionType(DecisionType.SCHEDULE_ACTIVITY_TASK)
                .scheduleActivityTaskDecisionAttributes(
                        a -> a.activityId(name).activityType(t -> t.name(name).version("1")))
                .build();
    }

    private static Decision waitADay() {
        return Decision.builder()
                .decisionType(DecisionType.START_TIMER)
                .startTimerDecisionAttributes(
                        a -> a.timerId("cooling-off").startToFireTimeout("86400"))
                .build();
    }

    private static Decision complete(String result) {
        return Decision.builder()
                .decisionType(DecisionType.COMPLETE_WORKFLOW_EXECUTION)
                .completeWorkflowExecutionDecisionAttributes(a -> a.result(result))
                .build();
    }

    private static Decision fail(String reason) {
        return Decision.builder()
                .decisionType(DecisionType.FAIL_WORKFLOW_EXECUTION)
                .failWorkflowExecutionDecisionAttributes(a -> a.reason(reason))
                .build();
    }
}
