//! The help texts.

/// `patchlens --help`
pub const PROGRAM: &str = "\
PatchLens labels photos for segmentation with Vision Transformers.

Usage: patchlens [OPTIONS] [PHOTO|FOLDER]        open the window
       patchlens [OPTIONS] SUBCOMMAND ...        work without a window

Subcommands:
  segment     one object of one photo as a mask PNG
  classify    what photos show
  predict     a class for each pixel of photos, as indexed PNGs with legends
  attention   where a model looks, as a picture or numbers
  dump        what a model computes, for comparing with its reference
  pipe        answer JSON requests on standard input, for scripts
  models      list models and what they can do
  export      write saved labels as class maps, instance maps, masks or overlays
  eval        how good predictions are: IoU, boundaries, objects, clicks
  train       a model of your own labels
Each has its own help: patchlens segment --help. To open a photo or folder with
such a name, write ./segment.

Models are built in or folders as the Hugging Face Hub has them, with config.json,
preprocessor_config.json and model.safetensors: SAM, SlimSAM, MobileSAM, ViT, DeiT,
DINO, DINOv2, MobileViT with DeepLabV3, SegFormer. See patchlens models.

Options:
      --threads N    compute with N threads instead of one per core
  -h, --help         show this
  -V, --version      show the version

Examples:
  patchlens
  patchlens photos/
  patchlens segment cat.jpg --point 312,148 -o cat-mask.png
  patchlens predict photos/ --model segformer-b0 -o class-maps
  patchlens export photos/*.jpg -o labels-for-training
  patchlens train photos/ -o my-model

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
  -m, --model M            a built-in model or a checkpoint folder [mobile-sam]
      --max-megapixels N   refuse photos with more than N million pixels [256]
      --threads N          compute with N threads instead of one per core
  -h, --help               show this

Examples:
  patchlens segment cat.jpg --point 312,148 -o cat.png
  patchlens segment cat.jpg --point 312,148 --point 90,200,0 -o cat.png
  patchlens segment cup.png --box 40,60,220,310 -o cup.png --json
";

/// `patchlens classify --help`
pub const CLASSIFY: &str = "\
Tell what photos show, with a classifier: ViT, DeiT.

Usage: patchlens classify IMAGE ... --model M [--top K] [--json] [--npy FILE]

Prints probability, number and name of the likeliest classes. A photo that fails is
named on standard error; the others go on, and the exit code is 1.

Options:
  -m, --model M            a checkpoint folder
      --top K              how many classes to tell [5]
      --fit FIT            trained  the checkpoint's own steps, with its crop [default]
                           squash   the whole photo, squashed to the input size
                           pad      the whole photo, padded to the input size
      --size N|WxH         another input size than the trained one, in pixels
      --json               print one JSON object for each photo: classes (id, name,
                           probability), times in ms
      --npy FILE           write the scores before the softmax, (1, classes), for one
                           photo
      --max-megapixels N   refuse photos with more than N million pixels [256]
      --threads N          compute with N threads instead of one per core
  -h, --help               show this

Examples:
  patchlens classify cat.jpg --model vit-base-patch16-224
  patchlens classify photos/*.jpg --model deit-tiny --top 1 --json
";

/// `patchlens predict --help`
pub const PREDICT: &str = "\
Give each pixel of photos a class, with a dense model: one of the embedded
tinyvit-deeplabv3plus and vit-deeplabv3plus, one that patchlens train made, a
SegFormer, or a MobileViT with DeepLabV3.

Usage: patchlens predict IMAGE|DIR ... --model M -o DIR

Writes NAME.png, 8-bit indexed with the model's own class numbers and 255 for pixels
that the model was not shown, and NAME.json, the legend: model, fit, size, and number,
name, colour and pixels of each class that occurs. NAME is the photo's stem, or its
whole file name where two photos share a stem. A folder stands for the photos in it.
A photo that fails is named on standard error; the others are still written, and the
exit code is 1.

Options:
  -m, --model M            an embedded model or a checkpoint folder
  -o, --output DIR         the folder to write into; it is created if it is missing
      --fit FIT            trained  the checkpoint's own steps, with its crop [default]
                           squash   the whole photo, squashed to the input size
                           pad      the whole photo, padded to the input size
                           slide    overlapping tiles at the photo's own resolution
      --size N|WxH         another input size than the trained one, in pixels
      --overlay            write NAME.overlay.png too: the photo with the classes
      --instances          write instances/NAME.png too, 16-bit: the regions numbered
                           from 1 on; touching objects apart where the model tells
                           where they end
      --npy                write NAME.npy too: the scores, (1, classes, rows, columns);
                           not with --fit slide
      --shard I/N          only every N-th photo, for N programs at once: I is 1 to N
                           (0 is N)
      --json               print one JSON object for each photo: what the legend has,
                           paths, times in ms
      --max-megapixels N   refuse photos with more than N million pixels [256]
      --threads N          compute with N threads instead of one per core
  -h, --help               show this

Examples:
  patchlens predict cells/ --model tinyvit-deeplabv3plus -o out --instances
  patchlens predict street.jpg --model segformer-b0 -o out --overlay
  patchlens predict photos/ --model segformer-b0 -o out --fit slide --shard 2/8
";

/// `patchlens attention --help`
pub const ATTENTION: &str = "\
Show where a model looks: the attention of one token, as a heatmap, numbers or a mask.

Usage: patchlens attention IMAGE [--model M] [--layer L] [--attention-head H]
                           [--query X,Y|cls] [-o HEAT.png] [--npy FILE]
                           [--mask FILE.png] [--matrix FILE] [--json]

What to show:
      --layer L            the layer, counted from 0 [the last one]
      --attention-head H   a number from 0, or mean, max or min over all [mean]
      --query X,Y|cls      the token under a point of the photo, in pixels, or the
                           class token [cls, where the model has one]
      --reverse            who looks at the token, instead of where it looks
      --rollout            attention through all layers up to --layer (Abnar and
                           Zuidema 2020); for ViT, DeiT, DINO and DINOv2
      --relevance CLASS    what the score of a class rests on (Chefer et al. 2021): its
                           number or name, or top; for classifiers of the ViT kin and
                           vit-deeplabv3plus
      --fusion F           rollout: mean, max or min of the attention heads [mean]
      --discard R          rollout: leave out the lowest weights, a share of 0 to 0.999
      --start-layer L      rollout: the first layer that counts [0]
      --grid               a sheet with all attention heads of the layer, numbered
      --all-layers         with --grid: of all layers, one below the other
      --mass P             outline the smallest set of tokens that holds the share P,
                           0 to 1, of the attention, along the photo's edges [0.6]
      --blocky             --mass: outline the exact tokens instead
  -m, --model M            a built-in model or a checkpoint folder [mobile-sam]
      --fit FIT            trained, squash or pad: see patchlens classify --help
      --size N|WxH         another input size than the trained one, in pixels

What to write:
  -o, --output HEAT.png    the heatmap over the photo, at the photo's size
      --color C            viridis, magma, turbo or grey [viridis]
      --nearest            show each token as a square
      --opacity P          the heatmap's opacity, 0 to 1 [0.6]
      --alone              without the photo
      --no-mark            without the outline of the token asked for
      --npy FILE           the weights on the token grid, (rows, columns); with --grid
                           (attention heads, rows, columns)
      --mask FILE.png      the mask of --mass: 8-bit grey, 255 inside, 0 outside
      --matrix FILE        all attention weights of the layer as npy, in the shape of
                           transformers, such as (1, attention heads, tokens, tokens)
      --json               print one JSON object: layer, attention head, query, grid,
                           the part of the photo under it, weights on tokens without
                           a place, the mask's area, times in ms; with --all-layers a
                           list of such layers
      --statistics         --json: of each attention head the entropy in nats, mean
                           attention distance in pixels, shares of attention on tokens
                           without a place and on padding

      --max-megapixels N   refuse photos with more than N million pixels [256]
      --threads N          compute with N threads instead of one per core
  -h, --help               show this

Examples:
  patchlens attention cat.jpg --model dino-vits8 -o heads.png --grid
  patchlens attention cat.jpg --layer 3 --query 312,148 -o heat.png --npy row.npy
  patchlens attention cat.jpg --model vit-base-patch16-224 --rollout -o rollout.png
  patchlens attention cat.jpg --model dino-vits8 --mask cat.png --mass 0.6
";

/// `patchlens dump --help`
pub const DUMP: &str = "\
Write what a model computes of a photo, with the names and shapes of the reference
implementation (transformers), to hold a checkpoint against it.

Usage: patchlens dump IMAGE --model M -o OUT.safetensors [--point X,Y[,0] ...]
                      [--box X0,Y0,X1,Y1]

Tensors: pixel_values; logits, or last_hidden_state of models without a head, or
image_embeddings of SAM and its kin; attentions.0, attentions.1, ... of all layers;
labels (the scores stretched over the whole photo) and labels_at_input of dense
models; pred_masks, iou_scores, masks and mask for a prompt.

Options:
  -m, --model M            a built-in model or a checkpoint folder [mobile-sam]
  -o, --output FILE        the safetensors file to write
  -p, --point X,Y[,0]      a point inside the object, or outside with ,0; repeatable
  -b, --box X0,Y0,X1,Y1    two opposite corners of a box around the object
      --fit FIT            trained, squash or pad: see patchlens classify --help
      --size N|WxH         another input size than the trained one, in pixels
      --max-megapixels N   refuse photos with more than N million pixels [256]
      --threads N          compute with N threads instead of one per core
  -h, --help               show this

Examples:
  patchlens dump cat.jpg --model vit-base-patch16-224 -o cat.safetensors
  patchlens dump cat.jpg --model sam-vit-base --point 312,148 -o cat.safetensors
";

/// `patchlens pipe --help`
pub const PIPE: &str = "\
Answer requests on standard input, one JSON object a line, one answer a line.

Usage: patchlens pipe [OPTIONS]

Requests, each with its answer (on one line):
  {\"id\":1,\"op\":\"open\",\"path\":\"a.jpg\"}
     {\"id\":1,\"ok\":true,\"width\":640,\"height\":480,\"encode_ms\":512.0}
  {\"id\":2,\"op\":\"segment\",\"points\":[[312,148,1],[90,200,0]],\"reset\":true}
     {\"id\":2,\"ok\":true,\"mask\":{\"size\":[480,640],\"counts\":\"...\"},
      \"score\":0.98,\"decode_ms\":38.1}
  {\"id\":3,\"op\":\"predict\",\"model\":\"segformer-b0\",\"fit\":\"squash\"}
     {\"id\":3,\"ok\":true,\"size\":[480,640],\"classes\":[{\"id\":2,\"name\":\"sky\",
      \"color\":[0,128,0],\"pixels\":70123}],\"labels\":\"FILE.png\",\"predict_ms\":90.0}
  {\"id\":4,\"op\":\"attention\",\"model\":\"dino-vits8\",\"layer\":5,
   \"attention_head\":2,\"query\":[312,148]}
     {\"id\":4,\"ok\":true,\"grid\":[28,28],\"values\":[...],\"prefix\":[0.1],
      \"attention_ms\":0.4}

segment: points are pixels of the photo, all points of the object so far; 1 is inside,
0 outside. \"box\":[x0,y0,x1,y1] may come with them or alone. With \"reset\":false the
mask before is a prior. The mask is COCO compressed RLE.
predict: \"labels\" is an 8-bit indexed PNG with the model's numbers, 255 where it did
not look: \"out\" if the request names a file, else a temporary one that is gone when
the program ends. A classifier answers with \"classes\" of id, name and probability, the
\"top\" [5]. \"fit\" is trained, squash or pad.
attention: \"layer\" counts from 0 [the last]; \"attention_head\" is a number, \"mean\",
\"max\" or \"min\" [mean]; \"query\" is [x,y] or \"cls\" [cls, where there is one];
\"reverse\":true asks who looks there. \"values\" lie on the grid, row by row; \"prefix\"
is what falls on tokens without a place.
Where no model is named, --model is asked. If that takes no prompts, open only reads
the photo. A request that cannot be served is answered
     {\"id\":2,\"ok\":false,\"error\":\"...\"}
and the program goes on. After an open that failed, no photo is open.

Options:
  -m, --model M            a built-in model or a checkpoint folder [mobile-sam]
      --max-megapixels N   refuse photos with more than N million pixels [256]
      --threads N          compute with N threads instead of one per core
  -h, --help               show this

Example:
  printf '%s\\n' '{\"id\":1,\"op\":\"open\",\"path\":\"cat.jpg\"}' \\
    '{\"id\":2,\"op\":\"segment\",\"points\":[[312,148]]}' | patchlens pipe
";

/// `patchlens models --help`
pub const MODELS: &str = "\
List models: what each can do, parameters, classes, licence.

Usage: patchlens models [DIR ...] [--json]

Without folders, lists the models that are built in and those that the window has
used. A folder that cannot be used is listed with the reason; if it was named, the
exit code is 1.

Options:
      --json    print one JSON object
  -h, --help    show this

Examples:
  patchlens models
  patchlens models checkpoints/* --json
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

/// `patchlens eval --help`
pub const EVAL: &str = "\
Tell how good predictions are, against label maps that are right.

Usage: patchlens eval semantic --truth DIR --pred DIR [OPTIONS]
       patchlens eval semantic --truth DIR --model M --images DIR [OPTIONS]
       patchlens eval instances --truth DIR --pred DIR [OPTIONS]
       patchlens eval clicks --images DIR --masks DIR [--model M] [OPTIONS]

semantic: class maps, NAME.png in both folders, 8-bit. IoU, precision and recall of
each class, their mean, pixel accuracy, and the boundary F-score of Csurka et al. 2013
(outlines within 0.75 % of the diagonal; mean over photos). Pixels that are 255 in the
truth are left out; predicted pixels of no class are wrong. A folder with labels/ in it
stands for that. Class names come from --classes, or from a patchlens.json there.
instances: instance maps, NAME.png in both folders, 16-bit grey, 0 for none. The mean
average precision of the 2018 Data Science Bowl: found / (found + missed + invented)
objects, for IoU above 0.5, 0.55 ... 0.95, mean over photos. A folder with instances/
in it stands for that.
clicks: a robot clicks objects as in f-BRS and RITM: in the middle of the object, then
always in the middle of the largest error. How many clicks IoU 0.85 and 0.9 take, and
the mean IoU after 1, 2, 3 and 5. The model is given all points so far and the mask
before. Masks are NAME__K.png for the photo NAME: 255 is the object, 0 background, 128
ignored.

Options:
      --truth DIR          the maps that are right; each needs a prediction
      --pred DIR           the predicted maps
  -m, --model M            a built-in model or a checkpoint folder [clicks: mobile-sam]
      --images DIR         the photos
      --fit, --size        semantic: see patchlens predict --help
      --classes FILE       semantic: JSON with classes, of id and name each, of the truth;
                           a model's are matched by name
      --map FROM=TO        semantic: the predicted class FROM is the truth's TO, names or
                           numbers; repeatable
      --masks DIR          clicks: the objects
      --max-clicks N       clicks: give up after N [20]
      --no-prior           clicks: ask with the points alone, not with the mask before
  -o, --output DIR         write eval.json, and of semantic confusion.png, there; it is
                           created if it is missing
      --json               print one JSON object
      --max-megapixels N   refuse pictures with more than N million pixels [256]
      --threads N          compute with N threads instead of one per core
  -h, --help               show this

Examples:
  patchlens eval semantic --truth dev/labels --pred out --classes classes.json -o report
  patchlens eval semantic --truth dev/labels --model segformer-b0 --images dev/images
  patchlens eval instances --truth dev/instances --pred out
  patchlens eval clicks --images dev/images --masks dev/masks --json
";

/// `patchlens train --help`
pub const TRAIN: &str = "\
Train a DeepLabV3+ on a Vision Transformer on your own labels.

Usage: patchlens train DIR ... -o FOLDER [OPTIONS]
       patchlens train -o FOLDER                     go on with the training in FOLDER

DIR has photos that were labelled with this program, or images/ and labels/ (NAME.png,
8-bit class maps) and classes.json, there or one folder up. Photos without labels are
left out. Pixels without a label are background, 255 is ignored. Classes of several
folders are merged by name; each photo teaches only the classes of its folder.

FOLDER/model is what --model takes everywhere: weights, model card with the IoU of each
class, curves.png, log.jsonl. Of all validations the best one's weights are kept.
Ctrl+C or a kill loses little: the same command goes on, and gives the same as if it
had not been interrupted. A training is bound to its settings: for other ones, or more
steps, begin in another folder, with --init FOLDER/model.

Options:
  -o, --output FOLDER      where the training is kept; it is created if it is missing
      --validate DIR       photos to validate on, once for each DIR, in the same order
                           [a tenth of DIR's photos, chosen by a hash of their names]
      --backbone B         tinyvit  MobileSAM's encoder, frozen: best for few photos;
                                    encodes each once, 1 s and 8-17 MB of disk [default]
                           vit      a plain ViT, all of it trained: 10 times slower
      --init M|FILE|none   weights to begin with: a built-in model, a model folder, a
                           safetensors file. Of other classes, all but the last layer is
                           taken [the built-in model of the backbone]
      --steps N            steps in all [by the number of photos: 300 to 6000]
      --batch N            crops in a step [tinyvit: 4, vit: 8]
      --crop N             side of a crop in pixels [tinyvit: 512, vit: 256]
      --learning-rate X    the highest one [tinyvit: 0.001, vit: 0.0005]
      --seed N             what everything random follows from [0]
      --time-limit T       stop after 2h, 30m or 90s, and write the model so far
      --encodings DIR      tinyvit: keep encodings there, for other trainings too
                           [FOLDER/encodings]
      --mirrored           tinyvit: encode mirrored photos, too: a little better
      --config FILE        all of that and more as JSON, see below
      --json               print one JSON object: model, steps, time, IoU of each class
      --threads N          compute with N threads instead of one per core
  -h, --help               show this

FILE may have any of: sets, classes, crop, long_edge, scale, batch, steps,
learning_rate, warmup, weight_decay, ema, clip, seed, validate_every, validate_photos (of each set, 0
for all), checkpoint_every, boundary (learn where segments end, from instances/),
class_weights (let rare classes count more), loss, backbone (its sizes), init,
init_partly. FOLDER/config.json shows all of them. Folders are relative to the file. A
set is
  {\"name\": \"leaves\", \"train\": \"DIR\", \"dev\": \"DIR\", \"weight\": 2,
   \"names\": {\"symptom\": \"leaf symptom\", \"stone\": \"ignore\"},
   \"exclusive\": true, \"any_orientation\": true, \"invert\": true}
with hold_out (true) instead of dev; names renames classes or leaves their pixels out;
exclusive says that its photos show no class of the other sets; any_orientation allows
turns, invert negatives, as for microscopes.

Examples:
  patchlens train photos/ -o my-model
  patchlens train leaves/train --validate leaves/dev -o leaves-model --time-limit 2h
  patchlens predict new/ --model my-model/model -o out
";
