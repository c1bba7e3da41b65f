package example;

import com.danielgmyers.flux.step.StepApply;
import com.danielgmyers.flux.step.StepResult;
import com.danielgmyers.flux.step.WorkflowStep;
import com.danielgmyers.flux.wf.Workflow;
import com.danielgmyers.flux.wf.graph.WorkflowGraph;
import com.danielgmyers.flux.wf.graph.WorkflowGraphBuilder;

import java.util.function.BooleanSupplier;

/** The same order as a Flux workflow: a card is charged, hourly while it is refused. */
public final class FluxOrder implements Workflow {
    private final WorkflowGraph graph;

    /**
     * @param card charges the card, and returns whether it was accepted
     */
    public FluxOrder(BooleanSupplier card) {
        WorkflowStep charge = new Charge(card);
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

    public static final class Charge implements WorkflowStep {
        private final BooleanSupplier card;

        Charge(BooleanSupplier card) {
            this.card = card;
        }

        @StepApply(initialRetryDelaySeconds = 3600, maxRetryDelaySeconds = 3600, jitterPercent = 0)
        public StepResult apply() {
            return card.getAsBoolean()
                    ? StepResult.success()
                    : StepResult.retry("the card was refused");
        }
    }

    public static final class Ship implements WorkflowStep {
        @StepApply
        public void apply() {}
    }
}
