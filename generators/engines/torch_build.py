"""A frequent broken installation, recognised by what it says."""

from schemas.errors import ConfigError


def broken_torchvision(error: BaseException) -> ConfigError | None:
    """The cure where a CUDA build of torchvision lies beside a CPU build of torch; None for any other failure.

    The registry's torchvision, torchaudio and torchcodec are CUDA builds; beside a CPU torch, importing a model of
    transformers then fails with "operator torchvision::nms does not exist".
    """
    seen: BaseException | None = error
    while seen is not None:
        if any(sign in str(seen) for sign in ("torchvision::nms", "libcudart", "torchvision/_C", "torchaudio/_ext")):
            return ConfigError(
                "torchvision (or torchaudio, torchcodec) is built for CUDA and torch is not, which breaks both. "
                "Remove them: pip uninstall -y torchvision torchaudio torchcodec"
            )
        seen = seen.__cause__ or seen.__context__
    return None
