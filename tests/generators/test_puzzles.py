"""Puzzles have the answers that the scene gives, follow its seed, and are no questions that the model was trained on."""

from collections import Counter

from generators.puzzles import PUZZLES, puzzles
from generators.scenes import iter_scenes, make_scene, questions

ASKED = [(scene, q) for scene in iter_scenes("test", 200, "puzzles", (1, 2, 3)) for q in puzzles(scene)]


def test_every_puzzle_is_asked_and_none_has_one_answer_alone() -> None:
    answers = {task: Counter(q.answer for _, q in ASKED if q.task == task) for task in PUZZLES}
    assert all(len(seen) > 1 and max(seen.values()) <= 0.8 * seen.total() for seen in answers.values()), answers


def test_answers_are_right() -> None:
    for scene, q in ASKED:
        words = q.question.rstrip("?").replace("crosses", "crosss").split()
        colours, shapes = ([getattr(o, name) for o in scene.objects] for name in ("colour", "shape"))
        mine = colours if "color" in words else shapes
        if q.task == "either":
            both = zip(colours, shapes, strict=True)
            assert int(q.answer) == sum(c == words[5] or f"{s}s" == words[7] for c, s in both)
        elif q.task == "gap":
            assert int(q.answer) == shapes.count(words[3][:-1]) - shapes.count(words[5][:-1]) >= 0
        elif q.task == "most":
            assert all(mine.count(q.answer) > mine.count(name) for name in mine if name != q.answer)
        elif q.task == "alike":
            assert q.answer == ("no" if len(set(mine)) == len(mine) else "yes")
        else:
            ends = {"leftmost": (0, min), "rightmost": (0, max), "highest": (1, min), "lowest": (1, max)}
            axis, pick = ends[next(word for word in words if word in ends)]
            found = pick(scene.objects, key=lambda o: (o.x, o.y)[axis])
            assert q.answer == (found.colour if "color" in words else found.shape)


def test_a_scene_has_the_same_puzzles_each_time_and_no_question_of_the_others() -> None:
    scene = make_scene("again", 3)
    assert puzzles(scene) == puzzles(make_scene("again", 3))
    assert not {q.question for q in puzzles(scene)} & {q.question for q in questions(scene)}
    assert puzzles(make_scene(next(s for s in range(99) if len(make_scene(s, 1).objects) == 1), 1)) == []
