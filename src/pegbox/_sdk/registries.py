"""Registries of AWS's images: which account holds them in which region.

Source: the image tables that the AWS SDK for Python publishes (version 2.257).
"""

from __future__ import annotations

_ACCOUNTS = """
af-south-1     510948584623 626614931356 455444449433 455444449433
ap-east-1      651117190479 871362719292 286214385809 286214385809
ap-northeast-1 354813040037 763104351884 351501993468 501404015308
ap-northeast-2 366743142698 763104351884 835164637446 306986355934
ap-northeast-3 867004704886 364406365360 867004704886 867004704886
ap-south-1     720646828776 763104351884 991648021394 991648021394
ap-south-2     628508329040 772153158452 628508329040 628508329040
ap-southeast-1 121021644041 763104351884 475088953585 475088953585
ap-southeast-2 783357654285 763104351884 712309505854 544295431143
ap-southeast-3 951798379941 907027046896 951798379941 951798379941
ap-southeast-4 106583098589 457447274322 106583098589 106583098589
ca-central-1   341280168497 763104351884 469771592824 469771592824
cn-north-1     450853457545 727897471807 390948362332 390948362332
cn-northwest-1 451049120500 727897471807 387376663083 387376663083
eu-central-1   492215442770 763104351884 664544806723 813361260812
eu-central-2   680994064768 380420809688 680994064768 680994064768
eu-north-1     662702820516 763104351884 669576153137 669576153137
eu-south-1     978288397137 692866216735 257386234256 257386234256
eu-south-2     104374241257 503227376785 104374241257 104374241257
eu-west-1      141502667606 763104351884 438346466558 685385470294
eu-west-2      764974769150 763104351884 644912444149 644912444149
eu-west-3      659782779980 763104351884 749696950732 749696950732
me-central-1   272398656194 914824155844 272398656194 272398656194
me-south-1     801668240914 217643126080 249704162688 249704162688
sa-east-1      737474898029 763104351884 855470959533 855470959533
us-east-1      683313688378 763104351884 382416733822 811284229777
us-east-2      257758044811 763104351884 404615174143 825641698319
us-gov-east-1  237065988967 446045086412 237065988967 237065988967
us-gov-west-1  414596584902 442386744353 226302683700 226302683700
us-west-1      746614075791 763104351884 632365934929 632365934929
us-west-2      246618743249 763104351884 174872318107 433757028032
"""

#: Columns of the table above.
_COLUMNS = {"sklearn": 0, "deep-learning": 1, "first": 2, "second": 3}

#: Built-in algorithm -> column that holds its images.
ALGORITHM_GROUPS = {
    **dict.fromkeys(
        (
            "factorization-machines", "ipinsights", "kmeans", "knn", "lda", "linear-learner", "ntm", "object2vec", "pca",
            "randomcutforest",
        ),
        "first",
    ),
    **dict.fromkeys(
        ("blazingtext", "image-classification", "object-detection", "semantic-segmentation", "seq2seq", "xgboost"),
        "second",
    ),
}  # fmt: skip

_CHAINER = "520713654638"
#: LDA's images have accounts of their own; source: version 1.72 of the AWS SDK.
_LDA = {
    "us-east-1": "766337827248",
    "us-east-2": "999911452149",
    "us-west-1": "632365934929",
    "us-west-2": "266724342769",
    "eu-west-1": "999678624901",
    "eu-west-2": "644912444149",
    "eu-central-1": "353608530281",
    "ap-northeast-1": "258307448986",
    "ap-northeast-2": "293181348795",
    "ap-southeast-1": "475088953585",
    "ap-southeast-2": "297031611018",
    "ap-south-1": "991648021394",
    "ca-central-1": "469771592824",
    "us-gov-west-1": "226302683700",
}


def host(group: str, region: str) -> str:
    """Return the registry's host name.

    Args:
        group: A column of the table, a built-in algorithm, or ``chainer``.
        region: AWS region.

    Raises:
        ValueError: The region is not in the table.
    """
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{_account(group, region)}.dkr.ecr.{region}.{suffix}"


def _account(group: str, region: str) -> str:
    if group == "chainer":
        return _CHAINER
    if group == "lda":
        if region not in _LDA:
            raise ValueError(f"region={region!r} has no image of lda; known are {', '.join(sorted(_LDA))}")
        return _LDA[region]
    column = _COLUMNS[ALGORITHM_GROUPS.get(group, group)]
    for line in _ACCOUNTS.split("\n"):
        name, *accounts = line.split() or [""]
        if name == region:
            return accounts[column]
    known = sorted(line.split()[0] for line in _ACCOUNTS.split("\n") if line)
    raise ValueError(f"region={region!r} has no images; known are {', '.join(known)}")
