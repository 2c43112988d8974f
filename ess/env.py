"""Batteries as Gymnasium and Stable-Baselines3 know them: one at a time, or many in step.

Observation: ``ess.causal.observation``. Action: how far to depart from the self-consumption rule
(``ess.causal.actions``); every action is safe, since the levels it stands for are bent to the corridor of
states from which all later limits can be kept. Reward: minus the interval's cost and wear, plus the cost of
an idle battery (which no action changes), in units of capacity times mean buy price.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from ess.causal import observation
from ess.causal.actions import CHOICES, shares
from ess.causal.batteries import Batteries

Action = NDArray[np.float32] | NDArray[np.integer[Any]]
Seen = NDArray[np.float32]


def observation_space() -> spaces.Space[Any]:
    """One battery's observation."""
    return spaces.Box(-observation.BOUND, observation.BOUND, (observation.SIZE,), np.float32)


def action_space(*, discrete: bool) -> spaces.Space[Any]:
    """Three numbers in [-1, 1] (``ess.causal.actions.shares``), or one of ``CHOICES``."""
    return spaces.Discrete(len(CHOICES)) if discrete else spaces.Box(-1, 1, (3,), np.float32)


class BatteryVecEnv(VecEnv):
    """``count`` batteries in step; each horizon draws their rows anew from ``pool``, by ``seed``.

    All horizons have the same length, so all end at once; the next begins by itself, as Stable-Baselines3
    expects. An ended battery's ``infos`` hold its last observation and its saving, in money.
    """

    def __init__(self, pool: Batteries, *, count: int, seed: int, discrete: bool = False) -> None:
        self.pool, self.discrete, self.render_mode = pool, discrete, None
        self._random = np.random.default_rng(seed)
        super().__init__(count, observation_space(), action_space(discrete=discrete))

    def reset(self) -> Seen:
        """Begin a new horizon with every battery; observations (count, SIZE)."""
        return self.begin(self.pool.rows(self._random.integers(0, self.pool.problem.shape[0], self.num_envs)))

    def begin(self, batteries: Batteries) -> Seen:
        """Begin the horizon of ``batteries``, ``count`` of them; observations (count, SIZE)."""
        self.batteries, self.at = batteries, 0
        self.soc_kwh = batteries.problem.soc_initial_kwh
        self.stored_kwh = np.zeros(self.num_envs)
        self.saved = np.zeros(self.num_envs)
        problem = batteries.problem
        self._unit = problem.capacity_kwh * observation.scale_price(problem)
        return self._seen()

    def step_async(self, actions: Action) -> None:
        """Take the actions: (count, 3) continuous or (count,) discrete."""
        self._actions = CHOICES[actions] if self.discrete else actions

    def step_wait(self) -> tuple[Seen, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """(observations, rewards, dones, infos) after one interval."""
        before = self.soc_kwh
        wanted = shares(self._actions.astype(np.float64), self._last)
        self.soc_kwh = self.batteries.advance(before, wanted, self.at)
        saved = self.batteries.saving(before, self.soc_kwh, self.at)
        self.stored_kwh = self.batteries.stored_today(self.stored_kwh, self.soc_kwh - before, self.at)
        self.saved = self.saved + saved
        self.at += 1
        ended = self.at == self.batteries.problem.shape[1]
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if ended:
            last = self._final()
            infos = [
                {"terminal_observation": seen, "saved": money}
                for seen, money in zip(last, self.saved, strict=True)
            ]
        rewards = (saved / self._unit).astype(np.float32)
        return self.reset() if ended else self._seen(), rewards, np.full(self.num_envs, ended), infos

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute, once for each battery asked about."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:  # noqa: ANN401, ARG002 - SB3's signature
        """Set the attribute of all: batteries in step share theirs."""
        setattr(self, attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,  # noqa: ANN401 - SB3's signature
        indices: VecEnvIndices = None,
        **method_kwargs: Any,  # noqa: ANN401 - SB3's signature
    ) -> list[Any]:
        """Call the method once; the answer, for each battery asked about."""
        answer = getattr(self, method_name)(*method_args, **method_kwargs)
        return [answer for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:  # noqa: ANN401, ARG002 - SB3's signature
        """No battery is wrapped."""
        return [False for _ in self._get_indices(indices)]

    def _seen(self) -> Seen:
        self._last = self.batteries.observe(self.soc_kwh, self.stored_kwh, self.at)
        return self._last.astype(np.float32)

    def _final(self) -> Seen:
        """What is left to see when nothing is left to decide: the state, and an empty course."""
        problem, moves = self.batteries.problem, self.batteries.moves
        state = observation.state(
            problem, moves, soc_kwh=self.soc_kwh, stored_kwh=self.stored_kwh, step=self.at - 1
        )
        return np.concatenate([state, np.zeros((self.num_envs, observation.COURSE_SIZE))], axis=1).astype(
            np.float32
        )


class BatteryEnv(gym.Env[Seen, Any]):
    """One battery of ``pool`` for one horizon; ``reset`` draws which, or takes ``options={"row": index}``."""

    def __init__(self, pool: Batteries, *, discrete: bool = False) -> None:
        self.pool = pool
        self.observation_space, self.action_space = observation_space(), action_space(discrete=discrete)
        self._one = BatteryVecEnv(pool, count=1, seed=0, discrete=discrete)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Seen, dict[str, Any]]:
        """(observation (SIZE,), {"row": which})."""
        super().reset(seed=seed)
        row = (options or {}).get("row", int(self.np_random.integers(0, self.pool.problem.shape[0])))
        return self._one.begin(self.pool.rows(np.array([row])))[0], {"row": row}

    def step(self, action: Any) -> tuple[Seen, float, bool, bool, dict[str, Any]]:  # noqa: ANN401 - an int or an array
        """(observation, reward, ended, False, info); at the end the info holds what was saved, in money."""
        self._one.step_async(np.asarray(action)[None])
        seen, rewards, dones, infos = self._one.step_wait()
        ended = bool(dones[0])
        info = dict(infos[0])
        return info.pop("terminal_observation", seen[0]), float(rewards[0]), ended, False, info
