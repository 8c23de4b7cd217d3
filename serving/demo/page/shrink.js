// Pictures that are larger than the server takes are made smaller here: photos of phones have up to 200 megapixels.

// Returns the file itself where it fits, or where the browser cannot read it: what is wrong with it, the server says.
export async function shrink(file, { picture_bytes: mostBytes, picture_pixels: mostPixels }) {
  const image = new Image();
  const address = URL.createObjectURL(file);
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = reject;
      image.src = address;
    });
    // Upright, as EXIF says; known before a pixel is decoded.
    const { naturalWidth: width, naturalHeight: height } = image;
    if (file.size <= mostBytes && width * height <= mostPixels) return file;
    const scale = Math.min(1, Math.sqrt(mostPixels / (width * height)));
    const size = { resizeWidth: Math.max(1, Math.floor(scale * width)), resizeHeight: Math.max(1, Math.floor(scale * height)) };
    const smaller = await createImageBitmap(image, { ...size, resizeQuality: "high", imageOrientation: "from-image" });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [smaller.width, smaller.height];
    canvas.getContext("2d").drawImage(smaller, 0, 0);
    smaller.close();
    return (await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92))) ?? file;
  } catch {
    return file;
  } finally {
    URL.revokeObjectURL(address);
  }
}
