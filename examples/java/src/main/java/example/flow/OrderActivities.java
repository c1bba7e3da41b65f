package example.flow;

import com.amazonaws.services.simpleworkflow.flow.annotations.Activities;
import com.amazonaws.services.simpleworkflow.flow.annotations.ActivityRegistrationOptions;
import com.amazonaws.services.simpleworkflow.flow.annotations.ExponentialRetry;

/** What is done about an order. The card is charged again an hour after it was refused. */
@Activities(version = "1")
@ActivityRegistrationOptions(
        defaultTaskScheduleToStartTimeoutSeconds = 300,
        defaultTaskStartToCloseTimeoutSeconds = 300)
public interface OrderActivities {
    @ExponentialRetry(initialRetryIntervalSeconds = 3600, backoffCoefficient = 1)
    void charge();

    void ship();
}
