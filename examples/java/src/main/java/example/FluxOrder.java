package example;

import com.danielgmyers.flux.step.Attribute;
import com.danielgmyers.flux.step.StepApply;
import com.danielgmyers.flux.step.StepAttributes;
import com.danielgmyers.flux.step.StepResult;
import com.danielgmyers.flux.step.WorkflowStep;
import com.danielgmyers.flux.wf.Workflow;
import com.danielgmyers.flux.wf.graph.WorkflowGraph;
import com.danielgmyers.flux.wf.graph.WorkflowGraphBuilder;

/** The same order as a Flux workflow: the card is refused twice, an hour apart, then charged. */
public final class FluxOrder implements Workflow {
    private final WorkflowGraph graph;

    public FluxOrder() {
        WorkflowStep charge = new Charge();
        WorkflowStep ship = new Ship();
        WorkflowGraphBuilder steps = new WorkflowGraphBuilder(charge);
        steps.alwaysTransition(charge, ship);
        steps.addStep(ship);
        steps.alwaysClose(ship);
        graph = steps.build();
    }

    @Override
    public WorkflowGraph getGraph() {
        return graph;
    }

    /** Charges the card at the third attempt. */
    public static final class Charge implements WorkflowStep {
        @StepApply(initialRetryDelaySeconds = 3600, maxRetryDelaySeconds = 3600, jitterPercent = 0)
        public StepResult apply(@Attribute(StepAttributes.RETRY_ATTEMPT) Long attempt) {
            return attempt < 2 ? StepResult.retry("the card was refused") : StepResult.success();
        }
    }

    /** Ships what was paid. */
    public static final class Ship implements WorkflowStep {
        @StepApply
        public void apply() {}
    }
}
