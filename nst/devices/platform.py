"""Whether JAX can start on the platform that JAX_PLATFORMS names."""

import jax


def failure() -> str:
    """Returns a line that says why JAX cannot start and what to do; "" if it can."""
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        wanted = jax.config.jax_platforms
        why = str(error).split("\n")[0] or "this installation of JAX lacks it"
        if not wanted:
            return f"JAX cannot start: {why}"
        return (
            f"JAX_PLATFORMS={wanted}: {why}; install JAX for this platform "
            "(https://docs.jax.dev/en/latest/installation.html), or unset JAX_PLATFORMS"
        )
    return ""
