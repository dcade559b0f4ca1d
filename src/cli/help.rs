//! The help texts.

/// `patchlens --help`
pub const PROGRAM: &str = "\
PatchLens labels photos for segmentation with Vision Transformers.

Usage: patchlens [OPTIONS] [PHOTO|FOLDER]        open the window
       patchlens [OPTIONS] SUBCOMMAND ...        work without a window

Subcommands:
  segment   one object of one photo as a mask PNG
  pipe      answer JSON requests on standard input, for scripts
  models    list the models that are built in
  export    write saved labels as class maps, instance maps, masks or overlays
Each has its own help: patchlens segment --help. To open a photo or folder with
such a name, write ./segment.

Options:
      --threads N    compute with N threads instead of one per core
  -h, --help         show this
  -V, --version      show the version

Examples:
  patchlens
  patchlens photos/
  patchlens segment cat.jpg --point 312,148 -o cat-mask.png
  patchlens export photos/*.jpg -o labels-for-training

Exit code: 0 done, 1 something failed, 2 the command line makes no sense.
";

/// `patchlens segment --help`
pub const SEGMENT: &str = "\
Segment one object of a photo, told by points, a box or both.

Usage: patchlens segment IMAGE --point X,Y[,0] ... [--box X0,Y0,X1,Y1] -o MASK.png

Coordinates are pixels of the photo as it is shown upright, from the top left.

Options:
  -p, --point X,Y[,0]      a point inside the object, or outside with ,0; repeatable
  -b, --box X0,Y0,X1,Y1    two opposite corners of a box around the object
  -o, --output MASK.png    the mask to write: 8-bit grey, 255 inside, 0 outside
      --json               print one JSON object: size [h, w], score, area, bbox
                           [x, y, w, h], mask (COCO compressed RLE), times in ms
      --model M            a built-in model or a checkpoint folder [mobile-sam]
      --max-megapixels N   refuse photos with more than N million pixels [256]
      --threads N          compute with N threads instead of one per core
  -h, --help               show this

Examples:
  patchlens segment cat.jpg --point 312,148 -o cat.png
  patchlens segment cat.jpg --point 312,148 --point 90,200,0 -o cat.png
  patchlens segment cup.png --box 40,60,220,310 -o cup.png --json
";

/// `patchlens pipe --help`
pub const PIPE: &str = "\
Answer requests on standard input, one JSON object a line, one answer a line.

Usage: patchlens pipe [OPTIONS]

Requests:
  {\"id\":1,\"op\":\"open\",\"path\":\"a.jpg\"}
     {\"id\":1,\"ok\":true,\"width\":640,\"height\":480,\"encode_ms\":512.0}
  {\"id\":2,\"op\":\"segment\",\"points\":[[312,148,1],[90,200,0]],\"reset\":true}
     {\"id\":2,\"ok\":true,\"mask\":{\"size\":[480,640],\"counts\":\"...\"},
      \"score\":0.98,\"decode_ms\":38.1}      (on one line)
Points are pixels of the photo, all points of the object so far; 1 is inside, 0
outside. \"box\":[x0,y0,x1,y1] may come with them or alone. With \"reset\":false
the mask before is a prior. The mask is COCO compressed RLE. A request that cannot
be served is answered
     {\"id\":2,\"ok\":false,\"error\":\"...\"}
and the program goes on. After an open that failed, no photo is open.

Options:
      --model M            a built-in model or a checkpoint folder [mobile-sam]
      --max-megapixels N   refuse photos with more than N million pixels [256]
      --threads N          compute with N threads instead of one per core
  -h, --help               show this

Example:
  printf '%s\\n' '{\"id\":1,\"op\":\"open\",\"path\":\"cat.jpg\"}' \\
    '{\"id\":2,\"op\":\"segment\",\"points\":[[312,148]]}' | patchlens pipe
";

/// `patchlens models --help`
pub const MODELS: &str = "\
List the models that are built in.

Usage: patchlens models [--json]

Options:
      --json    print one JSON object
  -h, --help    show this

Examples:
  patchlens models
  patchlens models --json
";

/// `patchlens export --help`
pub const EXPORT: &str = "\
Write the saved labels of photos into a folder, one NAME.png for each photo.

Usage: patchlens export IMAGE ... [--kind KIND] [--class NAME|ID] -o DIR

A photo that fails is named on standard error; the others are still written, and
the exit code is 1.

Options:
      --kind KIND          classes    class map, 8-bit indexed, 255 = ignore [default]
                           instances  segment map, 16-bit grey, 0 = none
                           binary     mask of one class, 255 inside, 0 outside
                           overlay    the photo with the labels drawn over it
      --class NAME|ID      the class of a binary mask
  -o, --output DIR         the folder to write into; it must exist
      --max-megapixels N   refuse photos with more than N million pixels [256]
      --threads N          compute with N threads instead of one per core
  -h, --help               show this

Examples:
  patchlens export photos/*.jpg -o training
  patchlens export a.jpg b.jpg --kind binary --class cat -o cats
";
