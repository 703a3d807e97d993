"""The settings of a training: what a job file and the options of `watcher train` may say."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from watcher.toml_file import Section

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Names = Annotated[tuple[str, ...], Field(strict=False)]  # TOML has lists


class Augment(Section):
    """How far a picture may be changed and still be an example of its label."""

    flip: Literal["none", "horizontal", "both"] = Field(default="horizontal", description="none | horizontal | both")
    rotation: Share = Field(default=0.05, description="at most this part of a whole turn, either way; 0.5 is any angle")
    zoom: Share = Field(default=0.1, description="at most this part larger or smaller")
    brightness: Share = Field(default=0.1, description="at most this part of white lighter or darker")
    contrast: Share = Field(default=0.2, description="at most this part stronger or weaker")
    colour: Share = Field(
        default=0.0, description="each colour by itself about this part stronger or weaker, as stains vary"
    )
    fill: Literal["reflect", "black"] = Field(
        default="reflect", description="what comes in at the edges: reflect | black"
    )


class FineTune(Section):
    """The second phase: the top of the base is trained on, slowly."""

    epochs: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0, description="rounds over the pictures, at most; 0: the base stays as it is"
    )
    patience: Count = Field(default=10, description="rounds without a better validation loss after which it ends")
    top: Share = Field(default=0.5, description="this part of the base's layers, from the top, is trained; 1 is all")
    learning_rate: Positive = Field(default=3e-4, description="at its highest, after a short warm-up")
    weight_decay: Annotated[float, Field(ge=0)] = Field(default=0.05, description="AdamW's")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.3, description="share of features left out at a time"
    )
    batch_size: Count = Field(default=64, description="pictures at a time")
    averaging: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.99, description="weights are averaged over about 1 / (1 - averaging) steps; 0: not at all"
    )


class Teacher(Section):
    """Networks whose cross-validated scores soften labels that may be wrong, for fine-tuning to learn from."""

    trust: Share = Field(default=0.0, description="how far its scores stand for the labels; 0: there is no teacher")
    base: str = Field(default="vgg16", description="as above")
    weights: str = Field(default="imagenet", description="as above")
    blocks: Names = Field(default=(), description="as above")
    views: Annotated[int, Field(ge=1, le=1000)] = Field(default=8, description="as above")
    epochs: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0, description="0: a head on the frozen base; else each of its networks is fine-tuned so many rounds"
    )


class Recipe(Section):
    """How a model is trained."""

    base: str = Field(
        default="efficientnet-lite0", description="vgg16, xception, efficientnet-lite0 or another in Keras"
    )
    weights: str = Field(default="imagenet", description="imagenet | none | the path of a weights file without the top")
    input_size: Annotated[int, Field(ge=32, le=1024)] | None = Field(
        default=None, description="pixels a side; unset: what the base was made for"
    )
    blocks: Names = Field(default=(), description="layers of the base to look at; unset: a good choice for it")
    views: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=8, description="changed views of each picture that the head learns from, the first unchanged"
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.05, description="for labels that may be wrong"
    )
    class_weights: bool = Field(default=True, description="rare labels count as much as frequent ones")
    validation: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=0.15, description="share of the pictures, whole groups, to choose and calibrate by"
    )
    held_out: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.15, description="share of the pictures, whole groups, that nothing is chosen by: they make the report"
    )
    review_accuracy: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        default=0.99, description="results that are not marked for review should be right so often"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="what the base computes in: auto takes the fastest here that keeps the features"
    )
    looks: Literal[1, 2, 4, 8] = Field(
        default=1,
        description="the finished model averages the scores of so many mirrored and turned images, and is so much slower",
    )
    half: bool = Field(default=False, description="keep the weights in float16 on disk, half the size")
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(default=1, description="the same seed, the same model")
    augment: Augment = Augment()
    fine_tune: FineTune = FineTune()
    teacher: Teacher = Teacher()

    @model_validator(mode="after")
    def _something_is_left_to_learn_from(self) -> Self:
        if self.validation + self.held_out >= 0.9:
            raise ValueError("validation and held_out together leave nothing to learn from: make them smaller")
        return self

    def of_teacher(self) -> Recipe:
        """The recipe by which the teacher's features are made."""
        settings = self.teacher.model_dump(include={"base", "weights", "blocks", "views"})
        tuned = self.fine_tune.model_copy(
            update={"epochs": self.teacher.epochs, "patience": max(1, self.teacher.epochs)}
        )
        return self.model_copy(update={**settings, "fine_tune": tuned})
