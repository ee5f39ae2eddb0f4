"""Physics that recordings need and the paper did not compute: errors, attenuation, speckle, focusing, verdicts."""
