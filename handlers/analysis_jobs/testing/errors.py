"""The errors of the test kit. Those that a test sees are assertions; pytest reports them as failures, not as errors."""


class UnscriptedQuestion(AssertionError):  # noqa: N818 - an assertion about a job, not an error of the kit
    """A stage asked a question for which the test has no answer. The message says how to script one."""


class RecordingDiffers(AssertionError):  # noqa: N818 - as above
    """A stage asked a question that is not in the recording. The message has the difference."""


class StopTest(BaseException):
    """Ends the run of a job from within the model. A `BaseException`, so that the worker does not handle it.

    The kit raises `failure` in its place, outside of the worker.
    """

    def __init__(self, failure: AssertionError) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Crashed(BaseException):
    """Stands for the death of the worker's process. A `BaseException`, so that the worker does not handle it."""
