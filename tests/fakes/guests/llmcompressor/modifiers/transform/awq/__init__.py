from llmcompressor.modifiers import Modifier


class AWQModifier(Modifier):
    pass
