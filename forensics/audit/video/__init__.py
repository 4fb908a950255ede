"""Video: whether frames were taken out, put in, repeated or held, and where one shot ends and the next begins.

    timeline   a row of numbers a frame, measured where the video is decoded
    checks/    one test of the time line a file; each bounds its false alarms by an NFA of the whole film
    shots      where the picture changes from one frame to the next
    film       the exhibit: what the report needs of a video
    audited    facts, findings, a verdict of the film and one of every shot

Pictures inside the frames are not judged: no test of pictures was calibrated on frames, which are predicted from each other.
"""
