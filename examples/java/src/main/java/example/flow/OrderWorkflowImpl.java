package example.flow;

import com.amazonaws.services.simpleworkflow.flow.DecisionContextProviderImpl;
import com.amazonaws.services.simpleworkflow.flow.WorkflowClock;
import com.amazonaws.services.simpleworkflow.flow.annotations.Asynchronous;
import com.amazonaws.services.simpleworkflow.flow.core.Promise;

import java.util.concurrent.TimeUnit;

public class OrderWorkflowImpl implements OrderWorkflow {
    private final OrderActivitiesClient activities = new OrderActivitiesClientImpl();
    private final WorkflowClock clock =
            new DecisionContextProviderImpl().getDecisionContext().getWorkflowClock();

    @Override
    public void process() {
        Promise<Void> charged = activities.charge();
        Promise<Void> cooledOff = coolOff(charged);
        activities.ship(cooledOff);
    }

    /** Without weaving, this would run at once and not after the card is charged. */
    @Asynchronous
    private Promise<Void> coolOff(Promise<Void> charged) {
        return clock.createTimer(TimeUnit.DAYS.toSeconds(1));
    }
}
