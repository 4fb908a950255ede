"""De-identification of DICOM files by the standard's basic profile (PS3.15 E), with the options that research needs.

profile      what is done to which element, out of the standard's own table
pseudonyms   keyed: the same patient, study and object get the same pseudonym in every run with the same key
header       one data set, and what was done to it
burned_in    text in the pixels: found, masked, looked for again
transform    all of it on one object
sandboxed    in a confined process, whose inside is `worker`
files        files in, files out, and a report without a single value
"""
