"""Streaks on stamps: trails of asteroids, satellites, stars, galaxies and artefacts."""
