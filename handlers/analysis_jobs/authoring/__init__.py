"""The interface for authors of analyses: the declaration of an analysis, and the job that its stages work on."""
