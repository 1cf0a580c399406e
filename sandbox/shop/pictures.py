"""Pictures of the goods, drawn here so that the shop needs no files and no licences.

Coordinates are those of the finished picture, 800 by 800. It is drawn larger and then scaled
down, because Pillow doesn't smooth edges.
"""

from PIL import Image, ImageDraw

SIZE = 800
OVERSAMPLING = 3

INK = "#2b2d42"
CREAM = "#fff8ec"
SHADOW = "#0000001c"


class Pen:
    """Pillow's drawing calls in coordinates of the finished picture."""

    def __init__(self, background):
        side = SIZE * OVERSAMPLING
        self.image = Image.new("RGB", (side, side), background)
        self.pencil = ImageDraw.Draw(self.image, "RGBA")

    @staticmethod
    def _scale(points):
        return [tuple(value * OVERSAMPLING for value in point) for point in points]

    def box(self, x0, y0, x1, y1, fill, radius=0, corners=None):
        self.pencil.rounded_rectangle(
            self._scale([(x0, y0), (x1, y1)]),
            radius * OVERSAMPLING,
            fill,
            corners=corners,
        )

    def oval(self, x, y, rx, ry, fill):
        self.pencil.ellipse(self._scale([(x - rx, y - ry), (x + rx, y + ry)]), fill)

    def shape(self, *points, fill):
        self.pencil.polygon(self._scale(points), fill)

    def line(self, *points, fill, width):
        self.pencil.line(self._scale(points), fill, width * OVERSAMPLING, joint="curve")
        for x, y in points:
            self.oval(x, y, width / 2, width / 2, fill)

    def ring(self, x, y, rx, ry, fill, width, start=0, end=360):
        self.pencil.arc(
            self._scale([(x - rx, y - ry), (x + rx, y + ry)]),
            start,
            end,
            fill,
            width * OVERSAMPLING,
        )

    def curve(self, start, pull1, pull2, end, steps=40):
        """Points of a cubic Bézier curve."""
        points = []
        for step in range(steps + 1):
            t = step / steps
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            points.append(
                tuple(a * start[i] + b * pull1[i] + c * pull2[i] + d * end[i] for i in (0, 1))
            )
        return points

    def finish(self):
        return self.image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def mirrored(points, axis=400):
    """The outline closed by its own mirror image."""
    return [*points, *((2 * axis - x, y) for x, y in reversed(points))]


def leaf(pen, root, tip, bulge, fill, vein):
    """A leaf between two points; bulge is how far it is wide to either side."""
    (x0, y0), (x1, y1) = root, tip
    dx, dy = x1 - x0, y1 - y0
    length = (dx * dx + dy * dy) ** 0.5
    nx, ny = -dy / length * bulge, dx / length * bulge

    def side(sign):
        return pen.curve(
            root,
            (x0 + dx * 0.2 + sign * nx, y0 + dy * 0.2 + sign * ny),
            (x0 + dx * 0.7 + sign * nx, y0 + dy * 0.7 + sign * ny),
            tip,
        )

    pen.shape(*side(1), *reversed(side(-1)), fill=fill)
    pen.line(root, (x0 + dx * 0.88, y0 + dy * 0.88), fill=vein, width=5)


def mug(pen):
    pen.oval(390, 628, 210, 26, SHADOW)
    pen.ring(535, 420, 92, 100, "#2a6f97", 40)
    pen.box(220, 250, 530, 625, "#2a6f97", 60, (False, False, True, True))
    pen.shape((220, 480), (530, 430), (530, 500), (220, 550), fill="#a9d6e5")
    pen.oval(375, 250, 155, 38, "#a9d6e5")
    pen.oval(375, 256, 134, 27, "#5e3023")
    for x in (310, 375, 440):
        pen.line(
            *pen.curve((x, 195), (x - 34, 160), (x + 34, 130), (x, 90)),
            fill="#ffffff",
            width=11,
        )


def tea(pen):
    pen.oval(400, 668, 200, 26, SHADOW)
    pen.box(230, 235, 570, 670, "#40513b", 26)
    pen.box(212, 165, 588, 262, "#2f3d2c", 22)
    pen.box(212, 236, 588, 262, "#24301f")
    pen.box(230, 330, 570, 580, "#f2c14e")
    pen.box(230, 346, 570, 352, "#40513b")
    pen.box(230, 558, 570, 564, "#40513b")
    pen.oval(400, 455, 86, 86, CREAM)
    leaf(pen, (400, 528), (400, 388), 40, "#609966", "#40513b")
    leaf(pen, (396, 528), (338, 432), 26, "#9dc08b", "#609966")
    leaf(pen, (404, 528), (462, 432), 26, "#9dc08b", "#609966")


def notebook(pen):
    pen.shape((250, 690), (610, 690), (640, 660), (640, 180), (600, 150), fill=SHADOW)
    pen.box(225, 130, 600, 670, "#e9e3d5", 18)
    pen.box(205, 120, 580, 660, "#d1495b", 18)
    pen.box(205, 120, 262, 660, "#a83446", 18, (True, False, False, True))
    pen.box(520, 120, 542, 660, INK)
    pen.box(312, 220, 482, 320, CREAM, 8)
    pen.box(334, 250, 460, 258, "#d1495b", 4)
    pen.box(334, 280, 424, 288, "#e9b8bd", 4)
    pen.shape((380, 660), (410, 660), (410, 730), (395, 712), (380, 730), fill="#edae49")


def lamp(pen):
    pen.shape((268, 330), (470, 690), (60, 690), fill="#ffe8a3aa")
    pen.oval(475, 672, 150, 24, SHADOW)
    pen.line((480, 640), (600, 420), (330, 245), fill=INK, width=18)
    pen.box(350, 632, 610, 668, INK, 16)
    pen.oval(600, 420, 25, 25, "#ef8354")
    pen.oval(480, 635, 22, 22, "#ef8354")
    pen.oval(262, 350, 46, 42, "#fff3c4")
    pen.shape(
        *pen.curve((345, 205), (400, 250), (385, 300), (375, 385)),
        (158, 320),
        fill="#ef8354",
    )
    pen.shape(
        *pen.curve((345, 205), (290, 190), (215, 230), (158, 320)),
        (375, 385),
        fill="#ef8354",
    )
    pen.line((158, 320), (375, 385), fill="#d86c3e", width=14)
    pen.oval(345, 222, 24, 24, INK)


def clock(pen):
    pen.oval(416, 420, 268, 268, SHADOW)
    pen.oval(400, 400, 268, 268, "#264653")
    pen.oval(400, 400, 232, 232, CREAM)
    for dx, dy in ((0, -1), (1, 0), (0, 1), (-1, 0)):
        pen.line(
            (400 + dx * 206, 400 + dy * 206),
            (400 + dx * 172, 400 + dy * 172),
            fill=INK,
            width=14,
        )
    for dx, dy in ((0.5, 0.866), (0.866, 0.5)):
        for sx in (-1, 1):
            for sy in (-1, 1):
                pen.oval(400 + sx * dx * 200, 400 + sy * dy * 200, 8, 8, "#8a9aa0")
    pen.line((400, 400), (312, 326), fill=INK, width=20)
    pen.line((400, 400), (516, 288), fill=INK, width=13)
    pen.line((368, 448), (486, 264), fill="#e76f51", width=5)
    pen.oval(400, 400, 18, 18, "#e76f51")


def plant(pen):
    pen.oval(400, 706, 150, 22, SHADOW)
    pen.line((400, 540), (404, 300), fill="#6b4f3a", width=15)
    for tip, root in (
        ((200, 420), (400, 500)),
        ((606, 380), (402, 470)),
        ((190, 250), (402, 410)),
        ((610, 212), (403, 370)),
    ):
        leaf(pen, root, tip, 74, "#2d6a4f", "#74c69d")
    leaf(pen, (403, 330), (300, 120), 66, "#40916c", "#95d5b2")
    leaf(pen, (404, 320), (490, 96), 58, "#52b788", "#b7e4c7")
    pen.shape((268, 540), (532, 540), (498, 705), (302, 705), fill="#c8553d")
    pen.box(252, 510, 548, 570, "#e07a5f", 10)


def vase(pen):
    pen.oval(400, 690, 150, 22, SHADOW)
    for tip, colour in (
        ((318, 110), "#f4a261"),
        ((404, 66), "#e76f51"),
        ((490, 120), "#f4a261"),
    ):
        pen.line((400, 330), tip, fill="#588157", width=8)
        for dx, dy in ((-26, 0), (26, 0), (0, -26), (0, 26)):
            pen.oval(tip[0] + dx, tip[1] + dy, 25, 25, colour)
        pen.oval(*tip, 17, 17, "#ffe8a3")
    neck = pen.curve((348, 275), (378, 370), (210, 400), (220, 510))
    foot = pen.curve((220, 510), (228, 620), (300, 660), (318, 690))
    outline = [*neck, *foot]
    pen.shape(*mirrored(outline), fill="#5f6caf")
    pen.shape(*mirrored([point for point in outline if 440 < point[1] < 530]), fill="#8d99d9")
    pen.oval(400, 275, 52, 14, "#3d4785")


def scarf(pen):
    pen.oval(400, 690, 190, 22, SHADOW)
    for place in range(15):
        left = 256 + place * 20.5
        pen.line((left, 610), (left, 684), fill="#8c2f39", width=9)
    # The layers of a folded scarf, the lowest first.
    pen.box(262, 130, 568, 500, "#7a2832", 34)
    pen.box(250, 156, 560, 560, "#9b2f3c", 34)
    pen.box(238, 184, 562, 630, "#b23a48", 34, (True, True, False, False))
    for top, height, colour in (
        (270, 44, "#fcb9b2"),
        (330, 14, CREAM),
        (430, 44, "#fcb9b2"),
        (490, 14, CREAM),
        (570, 30, "#fcb9b2"),
    ):
        pen.box(238, top, 562, top + height, colour)


def record_player(pen):
    pen.box(120, 650, 700, 676, SHADOW, 12)
    pen.box(110, 190, 690, 650, "#7f4f24", 26)
    pen.box(134, 214, 666, 626, "#a68a64", 16)
    pen.oval(350, 420, 188, 188, "#1b1b1e")
    for radius in (164, 140, 116, 92):
        pen.ring(350, 420, radius, radius, "#3a3a3f", 3)
    pen.oval(350, 420, 62, 62, "#e63946")
    pen.oval(350, 420, 9, 9, CREAM)
    pen.oval(606, 276, 36, 36, "#d9d9d9")
    pen.line((606, 276), (596, 480), (468, 516), fill="#f1f1f1", width=13)
    pen.line((482, 512), (446, 522), fill=INK, width=25)
    pen.oval(610, 576, 22, 22, "#582f0e")


def tote(pen):
    pen.oval(400, 690, 210, 22, SHADOW)
    pen.ring(400, 300, 96, 168, "#b08968", 25, 180, 360)
    pen.shape((208, 292), (592, 292), (620, 690), (180, 690), fill="#ede0d4")
    pen.shape((208, 292), (592, 292), (595, 334), (205, 334), fill="#ddb892")
    for x in (304, 496):
        pen.box(x - 13, 290, x + 13, 362, "#b08968", 4)
    pen.oval(400, 490, 78, 78, "#e9a23b")
    pen.shape((266, 612), (344, 492), (420, 612), fill="#457b9d")
    pen.shape((352, 612), (446, 452), (536, 612), fill="#1d3557")


def postcard(pen):
    pen.shape((150, 250), (668, 208), (706, 584), (184, 626), fill=SHADOW)
    pen.shape((132, 236), (650, 196), (686, 568), (164, 608), fill=CREAM)
    pen.shape((154, 256), (632, 218), (664, 550), (186, 588), fill="#90e0ef")
    pen.oval(548, 300, 40, 40, "#ffd166")
    pen.shape(
        (169, 416),
        (300, 316),
        (450, 434),
        (520, 380),
        (652, 440),
        (664, 550),
        (186, 588),
        fill="#52796f",
    )
    pen.shape((174, 470), (656, 470), (664, 550), (186, 588), fill="#0077b6")
    pen.shape((370, 472), (452, 465), (440, 490), (384, 494), fill=CREAM)
    pen.shape((410, 462), (404, 366), (452, 458), fill="#e63946")


def field_guide(pen):
    pen.box(238, 138, 594, 700, SHADOW, 40)
    pen.box(222, 112, 578, 684, INK, 40)
    pen.box(250, 160, 550, 610, "#f1faee", 10)
    pen.oval(400, 648, 18, 18, "#8d99ae")
    pen.box(292, 196, 508, 214, "#2d6a4f", 8)
    pen.box(330, 230, 470, 242, "#95d5b2", 6)
    pen.line((400, 560), (400, 400), fill="#6b4f3a", width=9)
    leaf(pen, (400, 470), (400, 282), 52, "#2d6a4f", "#74c69d")
    leaf(pen, (400, 520), (300, 420), 40, "#40916c", "#95d5b2")
    leaf(pen, (400, 520), (500, 420), 40, "#52b788", "#b7e4c7")
    pen.box(330, 560, 470, 572, "#c8553d", 6)


PICTURES = {
    "mug": (mug, "#ffd6a5"),
    "tea": (tea, "#dfe7c8"),
    "notebook": (notebook, "#fbe3d6"),
    "lamp": (lamp, "#cfe3ee"),
    "clock": (clock, "#f6d7c3"),
    "plant": (plant, "#f1e9da"),
    "vase": (vase, "#e4dff2"),
    "scarf": (scarf, "#f7e1df"),
    "record-player": (record_player, "#f4dcc0"),
    "tote": (tote, "#cde4e0"),
    "postcard": (postcard, "#fdecc8"),
    "field-guide": (field_guide, "#d6ecdc"),
}


def draw(upc):
    painter, background = PICTURES[upc]
    pen = Pen(background)
    painter(pen)
    return pen.finish()
