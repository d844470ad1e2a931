"""How many programs this process has compiled, or taken from the cache of compiled programs."""

import jax

_EVENT = "/jax/core/compile/backend_compile_duration"
_count = 0


def _hear(event: str, duration_secs: float, **kwargs: str | int) -> None:
    global _count  # noqa: PLW0603 (JAX tells its listeners and keeps no count)
    _count += event == _EVENT


jax.monitoring.register_event_duration_secs_listener(_hear)


def compilations() -> int:
    """So far, since this module was imported."""
    return _count
