"""What the searches of gamma-sky are worth: studies on simulations and on real runs.

Each study draws fields, lets every method search the same photons, and returns a
:class:`~skysift.tasks.gamma_sky.evaluation.study.StudyResult`: numbers with intervals, and the rows
that they rest on.
"""
