#!/bin/sh
# Writes deploy.zip, which Elastic Beanstalk gets. It contains only Dockerrun.aws.json, with the
# images tagged by the commit. So a version always runs the same images, also when somebody deploys
# it again or rolls back to it.
set -eu
cd "$(dirname "$0")"
: "${IMAGES:?is not set: where the images are, an account or registry/account}"
: "${TRAVIS_COMMIT:?is not set: the commit that the images were made from}"

# An older one must not be deployed when this script fails.
rm -f deploy.zip
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
dockerrun=$folder/Dockerrun.aws.json
sed -E "s|(\"image\": *\")[^\"]*/([^\"/:]+)(:[^\"]*)?\"|\1$IMAGES/\2:$TRAVIS_COMMIT\"|" \
    Dockerrun.aws.json > "$dockerrun"

# Checked here, because Elastic Beanstalk notices a missing image only after it has stopped the
# previous version.
for image in $(sed -n -E 's|.*"image": *"([^"]*)".*|\1|p' "$dockerrun"); do
    docker image inspect "$image" > /dev/null 2>&1 || {
        echo "deploy.sh: Dockerrun.aws.json wants $image, which this build has not made." \
            "Check that name, and IMAGES." >&2
        exit 1
    }
done
zip --quiet --junk-paths deploy.zip "$dockerrun"
