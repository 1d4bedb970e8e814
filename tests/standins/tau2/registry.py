"""Users by name. A name is taken once, and a user must be a class of users."""

from __future__ import annotations

from tau2.user.user_simulator import UserSimulator


class Registry:
    def __init__(self) -> None:
        self._users: dict[str, type] = {}

    def register_user(self, user_constructor: type, name: str | None = None) -> None:
        key = name or user_constructor.__name__
        if not issubclass(user_constructor, UserSimulator):
            raise TypeError(f"{key} is no user")
        if key in self._users:
            raise ValueError(f"user {key} is registered already")
        self._users[key] = user_constructor

    def get_users(self) -> list[str]:
        return list(self._users)

    def get_user_constructor(self, name: str) -> type:
        return self._users[name]


registry = Registry()
registry.register_user(UserSimulator, "user_simulator")
