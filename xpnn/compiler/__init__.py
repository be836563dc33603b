"""Recording a step, and replaying it fast."""
