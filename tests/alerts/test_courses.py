"""Courses on SQLite."""

from tests.alerts.contract.courses import CourseContract


class TestCourses(CourseContract):
    """On SQLite."""
