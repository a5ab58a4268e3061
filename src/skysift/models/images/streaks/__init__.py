"""Streaks on stamps: trails of asteroids, satellites, cosmic rays; injected, measured, told apart.

Angles in pixels run from the +x axis towards +y, in degrees, modulo 180: a trail has no arrow.
Positions are x, y in pixels with the centre of the first pixel at 0, 0.
"""
