import xml.etree.ElementTree as ElementTree

from cort_data.report import figures
from cort_data.report.curves import Point
from cort_data.report.svg import WIDTH, Figure, Scale, colour, dash
from cort_data.statistics import Interval

HALF = Interval(0.5, 0.4, 0.6)
LONG = "a <name> & more " * 12


def parsed(svg):
    """The element; raises if it is not XML."""
    return ElementTree.fromstring(svg)


def test_every_figure_is_xml_whatever_the_names_are():
    points = [Point(1, HALF), Point(10, HALF)]
    assert parsed(figures.curves("t", "x", [(LONG, points), ("b", points)]))
    assert parsed(figures.curves("t", "k", [(LONG, points)], counts=True))
    assert parsed(figures.funnel({"in": 0, "kept": 0, "dropped": {LONG: 0}}))
    assert parsed(figures.lengths([(LONG, [1, 2, 3, 4, 5], []), ("b", [], [7, 7, 7, 7, 7])]))
    assert parsed(figures.behaviours("t", [LONG], [("rate", [HALF]), ("none", [None])]))


def test_no_mark_lies_outside_the_figure():
    points = [Point(x, Interval(1.0, 0.0, 1.0)) for x in (3, 30000)]
    root = parsed(figures.curves("t", "x", [("a", points)]))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for element in root.iter():
        for pair in element.attrib.get("points", "").split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height


def test_ticks_of_counts_are_whole():
    assert Scale(1, 2, 0, 1, whole=True).ticks() == [1, 2]
    assert Scale(1, 1024, 0, 1, log=True, whole=True).ticks()[:3] == [1, 2, 4]


def test_many_rows_are_told_apart_by_colour_or_dash():
    assert len({(colour(i), dash(i)) for i in range(24)}) == 24


def test_a_scale_of_one_value_has_a_place_for_it():
    assert Scale(7, 7, 0, 10)(7) == 5
    assert Scale(7, 7, 1, 11, log=True).ticks()


def test_long_names_are_cut_and_stand_in_full_as_a_tooltip():
    figure = Figure("t", 10)
    figure.legend([LONG])
    root = parsed(figure.render())
    [name] = root.iter("{http://www.w3.org/2000/svg}text")
    assert name[0].text == LONG
    assert len(name[0].tail) * 0.56 * 12 < WIDTH
