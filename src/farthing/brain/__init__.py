"""The judgement: what happens to a request between the door and the model, and back."""
