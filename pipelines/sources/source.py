"""The source types of a recipe, distinguished by `type`."""

from typing import Annotated

from pydantic import Field

from pipelines.sources.easy_vqa import EasyVqaSource
from pipelines.sources.files import CsvSource, JsonlSource, ParquetSource
from pipelines.sources.huggingface import HuggingFaceSource
from pipelines.sources.image_folder import ImageFolderSource
from pipelines.sources.release import ReleaseSource
from pipelines.sources.scenes import ScenesSource
from pipelines.sources.tasks import TasksSource

Source = Annotated[
    HuggingFaceSource
    | ParquetSource
    | JsonlSource
    | CsvSource
    | ImageFolderSource
    | EasyVqaSource
    | ScenesSource
    | TasksSource
    | ReleaseSource,
    Field(discriminator="type"),
]
