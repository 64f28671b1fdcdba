#!/bin/sh
# Writes deploy.zip, which Elastic Beanstalk gets. It contains only Dockerrun.aws.json, with the
# images tagged by the commit. So a version always runs the same images, also when somebody deploys
# it again or rolls back to it.
#
# `deploy.sh dockercfg` prints the file .dockercfg instead, with which Elastic Beanstalk pulls
# private images. DOCKERCFG_BUCKET names the bucket of S3 that has it.
set -eu
cd "$(dirname "$0")"

if [ "${1:-}" = dockercfg ]; then
    : "${DOCKER_ID:?is not set: the account that may pull the images}"
    : "${DOCKER_PASSWORD:?is not set: an access token of that account}"
    auth=$(printf '%s' "$DOCKER_ID:$DOCKER_PASSWORD" | base64 | tr -d '\n')
    printf '{"%s":{"auth":"%s"}}\n' "${DOCKER_REGISTRY:-https://index.docker.io/v1/}" "$auth"
    exit
fi

: "${IMAGES:?is not set: where the images are, an account or registry/account}"
: "${TRAVIS_COMMIT:?is not set: the commit that the images were made from}"

# An older one must not be deployed when this script fails.
rm -f deploy.zip
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
dockerrun=$folder/Dockerrun.aws.json
sed -E "s|(\"image\": *\")[^\"]*/([^\"/:]+)(:[^\"]*)?\"|\1$IMAGES/\2:$TRAVIS_COMMIT\"|" \
    Dockerrun.aws.json > "$dockerrun"
if [ -n "${DOCKERCFG_BUCKET:-}" ]; then
    login="\"authentication\": { \"bucket\": \"$DOCKERCFG_BUCKET\", \"key\": \".dockercfg\" },"
    sed "s|\"containerDefinitions\"|$login\n  &|" "$dockerrun" > "$folder/private"
    mv "$folder/private" "$dockerrun"
fi

# Checked here, because Elastic Beanstalk would notice a missing image only minutes later.
for image in $(sed -n -E 's|.*"image": *"([^"]*)".*|\1|p' "$dockerrun"); do
    docker image inspect "$image" > /dev/null 2>&1 || {
        echo "deploy.sh: Dockerrun.aws.json wants $image, which this build has not made." \
            "Check that name, and IMAGES." >&2
        exit 1
    }
done
zip --quiet --junk-paths deploy.zip "$dockerrun"
