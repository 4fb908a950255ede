"""A DICOM node: `oddpixel node`. Images arrive, are grouped into studies, flagged, and answered with DICOM objects.

receive    the C-STORE SCP: an object is on the disk and in the table before it is acknowledged
arrivals   the table of what has arrived, and which job answers it
studies    a study that has been quiet for a while becomes a job of the service's queue
deliver    results go back to other nodes, again and again until they are taken
peers/     other nodes, one way to speak to them a file: DIMSE and DICOMweb
run        all of it in one process, with the service's workers beside it
"""
