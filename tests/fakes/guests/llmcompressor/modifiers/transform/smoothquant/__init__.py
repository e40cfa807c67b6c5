from llmcompressor.modifiers import Modifier


class SmoothQuantModifier(Modifier):
    pass
