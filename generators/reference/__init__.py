"""The reference vision-language model: three million parameters, trained here from nothing, that fit in the package."""
