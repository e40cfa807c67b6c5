"""Model services as rows. A new service that speaks a known dialect is one row here, or one table in farthing.toml.

`KNOWN` is what a key in the environment is enough for; local servers need no key, and are used when their `*_BASE_URL` is set.
"""

from collections.abc import Mapping
from types import MappingProxyType

from farthing.config import Service
from farthing.core.request import Dialect

_CHAT = frozenset({Dialect.CHAT, Dialect.EMBEDDINGS})
_DIALECTS = {"openai": _CHAT, "anthropic": frozenset({Dialect.MESSAGES}), "recorded": frozenset({Dialect.CHAT})}

KNOWN: Mapping[str, Service] = MappingProxyType(
    {
        "openai": Service(
            base_url="https://api.openai.com/v1",
            api_key_env="OPENAI_API_KEY",
            models=("gpt-*", "chatgpt-*", "o[0-9]*", "codex-*", "computer-use-*", "text-embedding-*", "ft:*"),
            responses=True,
        ),
        "anthropic": Service(
            dialect="anthropic", base_url="https://api.anthropic.com/v1", api_key_env="ANTHROPIC_API_KEY", auth="x-api-key", models=("claude-*",)
        ),
        "gemini": Service(
            base_url="https://generativelanguage.googleapis.com/v1beta/openai", api_key_env="GEMINI_API_KEY", models=("gemini-*", "gemma-*")
        ),
        "mistral": Service(
            base_url="https://api.mistral.ai/v1",
            api_key_env="MISTRAL_API_KEY",
            models=("mistral-*", "ministral-*", "magistral-*", "codestral-*", "devstral-*", "pixtral-*", "open-mistral-*", "open-mixtral-*"),
        ),
        "deepseek": Service(base_url="https://api.deepseek.com/v1", api_key_env="DEEPSEEK_API_KEY", models=("deepseek-*",)),
        "xai": Service(base_url="https://api.x.ai/v1", api_key_env="XAI_API_KEY", models=("grok-*",), responses=True),
        "groq": Service(
            base_url="https://api.groq.com/openai/v1",
            api_key_env="GROQ_API_KEY",
            models=("llama-3*", "meta-llama/llama-4*", "openai/gpt-oss-*", "qwen/*", "groq/*", "moonshotai/kimi-*"),
        ),
        "cerebras": Service(
            base_url="https://api.cerebras.ai/v1", api_key_env="CEREBRAS_API_KEY", models=("llama3*", "llama-4-*", "qwen-3-*", "zai-glm-*")
        ),
        "fireworks": Service(base_url="https://api.fireworks.ai/inference/v1", api_key_env="FIREWORKS_API_KEY", models=("accounts/*",)),
        "together": Service(
            base_url="https://api.together.xyz/v1",
            api_key_env="TOGETHER_API_KEY",
            models=("meta-llama/*", "Qwen/*", "deepseek-ai/*", "moonshotai/*", "zai-org/*", "mistralai/*", "google/gemma-*"),
        ),
        "openrouter": Service(base_url="https://openrouter.ai/api/v1", api_key_env="OPENROUTER_API_KEY", models=("*/*",)),
        "azure": Service(api_key_env="AZURE_OPENAI_API_KEY", auth="api-key", responses=True),  # base_url: https://NAME.openai.azure.com/openai/v1
        "vllm": Service(base_url="http://127.0.0.1:8000/v1", responses=True),
        "ollama": Service(base_url="http://127.0.0.1:11434/v1"),
        "llamacpp": Service(base_url="http://127.0.0.1:8080/v1"),
        "lmstudio": Service(base_url="http://127.0.0.1:1234/v1", responses=True),
    }
)


def dialects_of(service: Service) -> frozenset[Dialect]:
    """What a row says its service speaks natively."""
    spoken = _DIALECTS[service.dialect]
    return spoken | {Dialect.RESPONSES} if service.responses and service.dialect == "openai" else spoken


def base_url_variable(name: str) -> str:
    """Environment variable that moves a known service elsewhere, as its own SDK reads it."""
    return f"{name.upper()}_BASE_URL"
