"""Every number of the fusion, once: with its unit and where it comes from.

Lengths are in mm of the patient and evidence is in mm too (scores summed over slices, times their distance), so that
the numbers hold at any pixel size and slice spacing. "Tuned" numbers were found on the development set (ten CTs) and
phantoms at pixels of 1 mm and slices of 2 mm; "chosen" ones follow from no measurement. What is fitted to patients
stands in ``LevelModel``.
"""

import numpy as np

from CervicalSpineDetectionLib.SliceDetector.Detector import CLEAR_SCORE as CLEAR_SCORE

# --- Tracks: boxes of one object from slice to slice.

# A vertebra may be missed over this distance and is still the same one beyond. Tuned.
MAXIMUM_GAP_MM = 6.0
# The parts of one vertebra, once it is settled which one it is, are no further apart. Tuned.
MAXIMUM_PART_GAP_MM = 10.0
# Overlap in height times agreement of the classes, 0 to 1, from which on two boxes are of one object. Tuned.
MINIMUM_SIMILARITY = 0.35
# Of the similarity, this much is owed to the overlap alone, the rest to the classes. Tuned.
OVERLAP_SHARE = 0.4
# Overlap (intersection over union) in height and depth below which a track has jumped to another object. Tuned.
MINIMUM_CONTINUITY = 0.15
# The outermost slices of a track count for its width only if the detector was this sure of them. Tuned.
EDGE_SCORE = 0.12
# What stands out further in one slice only is a slip, not the tip of a spinous process. Tuned.
SPINOUS_TIP_MM = 6.0
# An edge counts where the slices this near to both sides agree: half the width of the running median.
AGREEMENT_MM = 2.0

# --- Candidates: all that was seen of one vertebra.

MINIMUM_PART_LIKENESS = 0.4  # 0 to 1, two tracks are parts of one vertebra; tuned
MINIMUM_ABSORBED_LIKENESS = 0.3  # the same for a track that got no level of its own; tuned
MINIMUM_WIDTH_MM = 6.0  # what is seen over less is a flicker, no vertebra; tuned
MINIMUM_EVIDENCE_MM = 1.6
MINIMUM_BODY_WIDTH_MM = 4.0
# A body lies at the upper front corner of its vertebra's box, a little lower where the neck is bent forward. Bodies
# are at least 14 mm apart, so this tells neighbours apart. Tuned.
BODY_TOP_MM = 3.0
MAXIMUM_BODY_DISTANCE_MM = 12.0
BODY_FRONT_SHARE = 0.5  # of the distance of the fronts, which tells less than that of the tops
# A body seen in a slice or two may be a false one between two true ones: it counts as up to so much further away.
WEAK_BODY_MM, SURE_BODY_EVIDENCE_MM = 6.0, 6.0
# The axis' body hangs below its dens, this part of the box down (see ``Truth.SliceBoxes.AXIS_BODY_FRACTION``).
AXIS_BODY_TOP = 0.4
BELOW_DENS = 0.1  # of two that fit, the upper one is the axis'

# --- Placement: centres, boxes, confidences.

# The atlas' lateral masses are half as deep as its ring: slices less deep than the first don't cross the ring, those
# deeper than the second do.
MASS_DEPTH, RING_DEPTH = 0.6, 0.8
RING_QUANTILE = 0.9  # of the depths of a track's boxes is the ring's
# Without a body box: a body is about 16 mm deep and stands at the top of the vertebra's box; the axis' below the dens.
BODY_HALF_DEPTH_MM = 8.0
BODY_MIDDLE, AXIS_BODY_MIDDLE = 0.4, 0.65  # parts of the box's height
# Faces told from medians over the slices lie a little inside the vertebra: by 0 to 0.8 mm on all six sides in 60
# phantoms of all resolutions, where this gives the best overlap (mean IoU 0.897 -> 0.901; with the looks at edges 0.913
# -> 0.921).
FACE_INSIDE_MM = 0.3
FACE_MM = 3.0  # so much image beyond a box's faces shows that it is not cut
VOID_SHARE = 0.5  # of the voxels before a face without data, it looks at no image
WIDTH_TOLERANCE = 1.25  # a half width further off is none of this vertebra's
# In 60 phantoms 99 of 100 bodies, all of them right, were moved by less than 2.3 mm and none by more than 3.0 mm; the
# one wrong body of the development set was moved by 3.1 mm. One that had to be moved further is doubtful.
DOUBTFUL_MOVE_MM = 3.0
# A body's centre lies well inside its vertebra's box: by 4 mm and more in the unflagged levels of 45 real CTs (the
# development set and calibration patients), by 6 mm and more in 60 phantoms, but for one that had a neighbour's box.
LEAST_INSIDE_MM = 3.0
ENGULFED_SHARE = 0.8  # of a vertebra's box is inside its neighbour's; true neighbours share at most a third
# Of the usual distance, in the person's scale, no true neighbours were nearer or further (development set, phantoms).
# A bent neck brings the ring of C1 near to the axis' body.
NEAREST_NEIGHBOUR, NEAREST_TO_RING, FURTHEST_NEIGHBOUR = 0.7, 0.35, 1.5

# --- Level chain: which vertebra is which; what is fitted stands in ``LevelModel``.

SPACING_DEVIATION = 0.27  # of the logarithm: posture, disc height, and the scatter of found centres; tuned
MOST_SPACING_DEVIATIONS = 5.0  # further off is no less probable: a wrong centre, no distance
SCALE_DEVIATION = 0.15  # of the logarithm of a person's size, children included
# Sizes of a person that are tried, relative to the mean adult; chosen. Where two distances and more tell, views of
# calibration patients and of the development set are between 0.62 and 1.16; one of a CT with a wrong spacing is 0.42.
SCALES = np.geomspace(0.6, 1.4, 9)
FEWEST_DISTANCES = 2
DEPTH_DEVIATION, MOST_DEVIATIONS = 0.12, 3.0  # of the logarithm, after the person's scale; most: as above
# Whole vertebrae are seen with an evidence of 16 to 80 mm (development set and phantoms); more than this tells no more.
WHOLE_EVIDENCE_MM = 10.0
SETTLED_COST = 1e3  # more than all the rest together, and still a number to reckon with
# Where a person named levels, the others follow from the distances: the network errs by one all along the neck.
BESIDE_SETTLED = 0.05
VERTEBRA_PROBABILITY = 0.5  # what is less likely a vertebra than not gets no name
ANCHOR_SHARE = 0.5  # of its class scores: the network itself takes it for the landmark

# --- Even spacing: where bodies stand along the spine.

# How exactly (mm) a body's place along the spine is known: one that the network saw; the axis, which is not to be
# mistaken; one that was told from the vertebra's box alone; one that a person placed.
SEEN_MM, SEEN_AXIS_MM, UNSEEN_MM, SETTLED_MM = 2.0, 1.0, 8.0, 1e-3
SPACING_SCATTER = 0.12  # of the distance between neighbours, once the person's scale is known
MINIMUM_BODIES = 4  # fewer don't tell a person's scale

# --- The second look: faces told from what it takes for the vertebra (fitted by ``Testing/fitSecondLook.py``).

# Slices at a vertebra's side that show less of it are beside it: sides of 393 vertebrae of 60 phantoms are off by 1.33
# mm then, with 1 and 4 mm2 by 1.34 and 1.36. Coronal slices tell them to 0.75 to 0.84 mm.
VANISHING_AREA_MM2 = 2.0
# A box along a vertebra's own axes leaves out this part of it on each side, and gets so much more. In the median it
# holds 98.6 % of these vertebrae, and is 1.10 times as large as the tightest box that holds 98 %.
SPECKS, SOLID_MARGIN_MM = 0.005, 0.8
# An edge that lies further within than this in the first look is no face in the second; a track's ends are so many
# slices to each side; of all others every third is looked at. With 1.5 mm, four slices and every second, which takes a
# third longer, boxes of the development set and of four phantoms fit no better (IoU 0.8034, 0.9306, 0.9163 to 0.8032,
# 0.9306, 0.9156).
NEARLY_OUTERMOST_MM, END_SLICES, EVERY = 0.5, 2, 3
# Coronal slices in which a vertebra reaches less far to a side by more than this don't tell how far it does; so little
# of it, in mm2 or points of the sagittal slices, is nothing. Chosen.
NEARLY_WIDEST_MM, LEAST_SHOWN_MM2, LEAST_SLAB_POINTS = 4.0, 15.0, 8
# A side is the mean of so many coronal slices that reach furthest, in which a slip counts for a part only: of 69
# vertebrae of the development set it was off by 1.30 mm, with one and three by 1.33 and 1.42.
SIDE_SLICES = 2
# A round tip between slices 3 mm apart reaches further out than it does in these: without it the sides of 148 vertebrae
# of 24 phantoms are 0.33 mm too far in to the right and 0.34 mm to the left, off by 0.86 instead of 0.78 mm.
BEYOND_SIDE_SLICES_MM = 0.3
# No further from where the detector saw them: of 512 sides of 40 phantoms 2 in 100 would be, half of them wrongly. They
# are off by 0.86 mm in the mean with 3 and 4 mm, by 0.89 without a limit.
MOST_SIDE_MOVE_MM = 4.0
LEAST_SOLID_MM3 = 1000.0  # vertebrae have 6,000 and more; chosen

# --- Orientation: is the body's own sagittal plane that of the image, and its front the image's front?

# Less is air, of the airway or around the patient, and no soft tissue.
AIR_HU = -300.0
# From air to dense bone; beyond, metal would outweigh all else where the two sides are compared. Chosen.
SIDES_HU = (AIR_HU, 700.0)
OWN_DEGREES = 10.0  # as near to the image's sagittal plane is no turn; chosen

# Told from the bodies that were found: the mirror of the mean cross-section around the canal (``SagittalPlane``).

# A patient turned further than this is not seen in sagittal slices.
MOST_SECTION_TURN_DEGREES = 20.0
# The mirror has to be this much better there (difference of correlations): 0.2 and more in nine of ten views of the
# development set and of calibration patients that were turned by 30 degrees and more, 0.03 at most in those that were
# not.
LEAST_SECTION_GAIN = 0.06
LEAST_SECTION_DATA = 0.9  # of the cross-section is inside the image, else its lack of symmetry says nothing; chosen
# Chin on the chest, a neck leans forward by 45 degrees.
MOST_LEAN_DEGREES, MOST_SIDE_LEAN_DEGREES = 50.0, 35.0
# Two neighbours' centers, each a few mm off, don't tell how the spine leans; three levels do.
SHORTEST_SPINE_MM = 30.0
SECTION_RADII_MM = np.arange(6.0, 42.0, 3.0)  # of the canal and what is around it; chosen
SECTION_STEP_DEGREES = 5  # between directions; chosen
SECTION_HEIGHT_STEP_MM = 4.0  # between the sections that the mean is of; chosen

# Told from the picture alone: the plane that mirrors the neck best (``MirrorPlane``).

MIRROR_GRID_MM = 4.0  # between the voxels that are compared; chosen
BONE_HU = 250.0  # more is bone, or contrast in vessels; chosen
MIRROR_RADIUS_MM = 75.0  # around the neck: beyond lie shoulders and arms, which are seldom laid symmetrically
MIRROR_POINTS, DRAWN_POINTS = 2000, 12000  # of the neck, of the whole body; chosen
LEAST_PAIRS = 0.65  # of the points have their mirror point inside the image, else it shows too little; chosen
NECK_SHARE = 3  # of so many points of a body one lies near to its neck; else all are asked; chosen
ROUGH_POINTS, ROUGH_PLANES = 300, 40  # by which planes are chosen first, and those that are looked at by all; chosen
MIRROR_OFFSETS_MM = np.arange(-24.0, 25.0, 6.0)  # of planes that are tried, from the middle of the bones; chosen
MIRROR_STEP_DEGREES = 10.0  # between planes that are tried; chosen
# A neck's upper and lower half are alike too: planes that lie flatter are no sagittal ones.
FLATTEST_PLANE_DEGREES = 60.0
REFINED_PLANES = 8  # of the planes found at first; chosen
# By so much a plane may become better yet: in 29 CTs of OpenKBP in headers turned by 25 to 50 degrees the best plane
# that is not refined yet lacks 0.07 at most of what it then has to have.
REFINED_GAIN = 0.15
KEPT_PLANES = REFINED_PLANES + 1, 4  # of them, in each of the finer steps; chosen
FINER_STEPS = ((7.5, 3.0), (3.75, 1.5))  # degrees and mm; chosen
# In 16 CTs of calibration patients with a right header the two sides are alike by 0.59 and more in the image's own
# sagittal plane, and by 0.16 more at most in a better one; in 96 turned by 30 to 60 degrees by 0.56 at most, and in 94
# of these by more than 0.25 more in the best. Of 32 halves of necks, which have no such plane in view, 5 seem to have
# one all the same; see ``Looks``.
LIKE_SIDES, LEAST_MIRROR_GAIN = 0.62, 0.25
# The network bears this, and a lying head is turned as much.
MOST_MIRROR_TURN_DEGREES = 15.0

# Told from the air before and behind the bodies (``Airway``).

AIRWAY_MM = 3.0  # at least so much air on the line: no gas in a disc
AIRWAY_BODIES = 3  # fewer tell too little; chosen
BESIDE_MM, ABOVE_MM = 4.0, 4.0  # of the middle of a body, lines are looked along as well; chosen
# In 88 CTs of the neck (development set, OpenKBP) the nearest air in front of any body's centre was at most 26 mm away;
# with front and back exchanged it was 35 mm and more in front and 2 to 40 mm behind in the development CTs, but for two
# whose masked surroundings look like air.
AIR_IN_FRONT_MM, AIR_BEHIND_MM = 32.0, 48.0


def agreeingSlices(sliceSpacing: float) -> int:
    """Slices to each side of one that have to agree with it, at least one."""
    return max(int(np.rint(AGREEMENT_MM / sliceSpacing)), 1)
