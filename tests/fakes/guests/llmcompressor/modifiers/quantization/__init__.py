from llmcompressor.modifiers import Modifier


class QuantizationModifier(Modifier):
    pass


class GPTQModifier(Modifier):
    pass
